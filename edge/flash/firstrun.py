"""firstrun.sh, for images without cloud-init: Bookworm's, and the first of Trixie's."""

import base64
import re
from importlib import resources

from edgemask.flash.cloudinit import UNIT, UNIT_TEXT
from edgemask.flash.settings import Settings

COMMAND_LINE = ("systemd.run=/boot/firmware/firstrun.sh systemd.run_success_action=reboot "
                "systemd.unit=kernel-command-line.target")  # fmt: skip
# NetworkManager takes a name with any characters in it as numbers of its bytes.
CONNECTION = """\
[connection]
id=edgemask
type=wifi
[wifi]
mode=infrastructure
ssid={ssid}
[wifi-security]
key-mgmt=wpa-psk
psk={key}
[ipv4]
method=auto
[ipv6]
method=auto
"""


def script(settings: Settings) -> bytes:
    """The script: nothing in it needs quoting, because `Settings` lets no quote through and the network's name is encoded."""
    wifi = settings.wifi
    connection = wifi and CONNECTION.format(ssid="".join(f"{byte};" for byte in wifi.ssid.encode()), key=wifi.key)
    values = {
        "HOSTNAME": settings.hostname, "TIMEZONE": settings.timezone, "USER": settings.user,
        "HASH": settings.password_hash or "", "KEYS": "\n".join(settings.ssh_keys), "COUNTRY": wifi.country if wifi else "",
        "CONNECTION": base64.b64encode((connection or "").encode()).decode(), "UNIT": UNIT, "UNIT_TEXT": UNIT_TEXT,
    }  # fmt: skip
    text = resources.files("edgemask.flash").joinpath("firstrun.sh").read_text()
    return re.sub(r"@([A-Z_]+)@", lambda found: values[found[1]], text).encode()


def command_line(old: str) -> str:
    """cmdline.txt that runs it once."""
    return " ".join([*(word for word in old.split() if not word.startswith("systemd.")), COMMAND_LINE]) + "\n"
