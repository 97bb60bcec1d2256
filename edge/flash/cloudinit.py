"""The three files that cloud-init reads from the boot partition; JSON, which is YAML too.

Formats: https://docs.cloud-init.io, and Raspberry Pi Imager's doc/os_customisation_formats.md.
"""

import json

from edgemask.flash.settings import Settings

APT = ("python3-picamera2",)
UNIT = "edgemask-firstboot.service"
UNIT_TEXT = """\
[Unit]
Description=edgemask: first boot
RequiresMountsFor=/boot/firmware
ConditionPathExists=/boot/firmware/edgemask/firstboot.sh

[Service]
Type=exec
ExecStart=/bin/sh /boot/firmware/edgemask/firstboot.sh

[Install]
WantedBy=multi-user.target
"""


def files(settings: Settings, instance: str, picamera2: bool) -> dict[str, bytes]:
    """The three by name; instance: what cloud-init tells this card from others by; picamera2: whether apt must bring it."""
    return {
        "user-data": b"#cloud-config\n" + _json(user_data(settings, picamera2)),
        "network-config": _json(network_config(settings)),
        "meta-data": _json({"instance-id": instance}),
    }


def user_data(settings: Settings, picamera2: bool) -> dict:
    """The singular `user` changes the image's own and keeps its groups, where `users` would lose them."""
    user = {"name": settings.user, "shell": "/bin/bash", "lock_passwd": not settings.password_hash,
            "ssh_authorized_keys": list(settings.ssh_keys),
            "sudo": None if settings.password_hash else "ALL=(ALL) NOPASSWD:ALL"}  # fmt: skip
    if settings.password_hash:
        user["passwd"] = settings.password_hash
    it = {
        "hostname": settings.hostname, "manage_etc_hosts": True, "timezone": settings.timezone,
        "user": user, "ssh_pwauth": bool(settings.password_hash and not settings.ssh_keys),
        "write_files": [{"path": f"/etc/systemd/system/{UNIT}", "content": UNIT_TEXT}],
        "runcmd": [["sh", "-c", "systemctl enable --now ssh; rfkill unblock wifi || true"], ["systemctl", "daemon-reload"],
                   ["systemctl", "enable", "--now", "--no-block", UNIT]],
    }  # fmt: skip
    if picamera2:
        # A Pi has no clock of its own, and apt would not believe a list from the future.
        it |= {"package_update": True, "packages": list(APT), "apt": {"conf": 'Acquire { Check-Date "false"; };\n'}}
    return it


def network_config(settings: Settings) -> dict:
    """A cable always, and the Wi-Fi where there is one."""
    network = {"version": 2, "ethernets": {"eth0": {"dhcp4": True, "optional": True}}}
    if wifi := settings.wifi:
        network["wifis"] = {"wlan0": {"dhcp4": True, "optional": True, "regulatory-domain": wifi.country,
                                      "access-points": {wifi.ssid: {"password": wifi.key}}}}  # fmt: skip
    return {"network": network}


def command_line(old: str, instance: str) -> str:
    """cmdline.txt with the card's instance, and no other's."""
    return " ".join([*(word for word in old.split() if not word.startswith("ds=nocloud")), f"ds=nocloud;i={instance}"]) + "\n"


def _json(value):
    return json.dumps(value, indent=1, ensure_ascii=True).encode() + b"\n"
