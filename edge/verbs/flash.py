"""edgemask flash: from a downloaded image to a card that segments from its first boot."""

import json
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from getpass import getpass
from pathlib import Path

from edgemask.arguments import parser
from edgemask.errors import OptionError
from edgemask.files import replacing
from edgemask.flash import cloudinit, disks, payload, writer
from edgemask.flash.fat import Fat
from edgemask.flash.image import partitions, unpack
from edgemask.flash.settings import Settings, Wifi
from edgemask.flash.system import CURRENT, system


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    if options.list:
        return _list(options.json)
    settings = _settings(options)
    if options.user_data_only:
        return _for_imager(options, settings)
    if not options.image or not (options.out or options.device):
        raise OptionError("give the IMAGE you downloaded, and -o FILE for a new image or --device DISK for a card")
    disk = disks.choose(disks.disks(), options.device.resolve(), options.force) if options.device else None
    if disk and writer.interrupted(disk.path):
        print(f"the last writing to {disk.path} was interrupted; it is written again from its beginning", file=sys.stderr)
    if disk:
        _ask(disk, options.yes)
    with _target(options) as image:
        unpack(options.image, image, options.sha256)
        found = _customise(image, options, settings)
        if disk:
            disks.choose(disks.disks(), disk.path, options.force)  # somebody may have mounted it meanwhile
            writer.write(image, disk.path)
    _tell(options, settings, found)
    return 0


def _customise(image, options, settings):
    boot, root = partitions(image, options.image)
    found = system(image, boot, root, options.image)
    print(f"{options.image.name}: {found}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="edgemask-") as folder:
        needs = payload.prepare(Path(folder), settings, found, options.config, options.bundle, options.wheel)
        _say_apt(needs)
        with Fat(image, boot) as files:
            payload.customise(files, Path(folder), settings, found, needs)
    return found


def _for_imager(options, settings):
    """Raspberry Pi Imager writes the image; the folder with the packages is copied by hand."""
    folder = options.user_data_only
    if folder.exists() and any(folder.iterdir()):
        raise OptionError(f"{folder} is not empty: give a folder of its own")
    with tempfile.TemporaryDirectory(dir=_parent(folder), prefix=".edgemask-") as building:
        building = Path(building, "card")
        building.mkdir()
        needs = payload.prepare(building / payload.FOLDER, settings, CURRENT, options.config, options.bundle, options.wheel)
        for name, content in cloudinit.files(settings, "edgemask", needs).items():
            (building / name).write_bytes(content)
        if folder.exists():
            folder.rmdir()
        building.rename(folder)
    _say_apt(needs)
    print(f"sudo rpi-imager --cli --cloudinit-userdata {folder / 'user-data'} "
          f"--cloudinit-networkconfig {folder / 'network-config'} IMAGE DISK")  # fmt: skip
    print(f"for Raspberry Pi OS Trixie of November 2025 or newer, 64-bit; then copy the folder {folder / payload.FOLDER} "
          f"onto the card's drive bootfs, and on the Pi's first boot open {settings.link}")  # fmt: skip
    return 0


@contextmanager
def _target(options):
    """Where the customised image is made: to stay, or beside the download and gone once it is on the card."""
    if options.out:
        with replacing(options.out) as image:
            yield image
    else:
        with tempfile.TemporaryDirectory(dir=_parent(options.image), prefix=".edgemask-") as folder:
            yield Path(folder, "card.img")


def _ask(disk, yes):
    print(f"{disk}\nall that is on it will be lost", file=sys.stderr)
    if not yes and (not sys.stdin.isatty() or input("write it? [y/N] ").strip().lower() not in ("y", "yes")):
        raise OptionError("nothing was written (--yes answers for you)")


def _tell(options, settings, found):
    place = options.out or options.device
    if options.json:
        print(json.dumps({"written": str(place), "link": settings.link, "system": asdict(found)}))
        return
    print(f"{place} is ready; the first boot takes some minutes, then open\n{settings.link}\n"
          "what happened at the first boot is in edgemask.log on the card's drive bootfs")  # fmt: skip


def _say_apt(needs):
    if needs:
        print("without Picamera2 in the image the first boot needs the internet once, for apt's", file=sys.stderr)


def _list(as_json):
    shown = disks.removable(disks.disks())
    if as_json:
        print(json.dumps([asdict(disk) for disk in shown], default=str))
    else:
        print("\n".join(map(str, shown)) or "no removable disk is plugged in")
    return 0


def _settings(options):
    wifi = None
    if options.wifi:
        if not options.country:
            raise OptionError("--wifi needs --country, two letters such as GB: without it the radio stays blocked")
        wifi = Wifi(options.wifi, _wifi_password(options), options.country.upper())
    keys = _keys(options.ssh_key)
    return Settings(options.hostname, options.user, keys, options.password_hash, wifi, options.timezone or _own_timezone())


def _wifi_password(options):
    if options.wifi_password_file:
        return _text(options.wifi_password_file).rstrip("\n")
    if not sys.stdin.isatty():
        raise OptionError("--wifi needs --wifi-password-file FILE where nobody can be asked")
    return getpass(f"password of {options.wifi}: ")


def _keys(path):
    """The lines of a file of public keys; by default all that ssh-keygen made here."""
    paths = [path] if path else sorted((Path.home() / ".ssh").glob("id_*.pub"))
    return tuple(line.strip() for one in paths for line in _text(one).splitlines() if line.strip() and line[0] != "#")


def _own_timezone():
    return str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2] or "Etc/UTC"


def _text(path):
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _parent(path):
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    return path.absolute().parent


def _options(arguments):
    it = parser(
        "flash", "Make a card that segments from its first boot, from Raspberry Pi OS (64-bit) as it is downloaded.",
        "edgemask flash 2026-06-18-raspios-trixie-arm64-lite.img.xz --wifi Home --country GB --device /dev/sdb",
    )  # fmt: skip
    it.add_argument("image", nargs="?", type=Path, metavar="IMAGE", help=".img, .img.xz or .zip from raspberrypi.com/software")
    it.add_argument("--sha256", metavar="HASH", help="check the download first")
    where = it.add_argument_group("where to")
    where.add_argument("-o", "--out", type=Path, metavar="FILE", help="a new image, to be written with any tool")
    where.add_argument("--device", type=Path, metavar="DISK", help="a card; all that is on it will be lost")
    where.add_argument("--list", action="store_true", help="list removable disks and do nothing else")
    where.add_argument("--yes", action="store_true", help="do not ask before writing to DISK")
    where.add_argument("--force", action="count", default=0, help="given twice: DISK may be larger than 256 GB")
    where.add_argument("--user-data-only", type=Path, metavar="DIR",
                       help="write what Raspberry Pi Imager takes, and print its command line")  # fmt: skip
    pi = it.add_argument_group("the Pi")
    pi.add_argument("--hostname", default="edgemask", metavar="NAME", help="default edgemask: http://edgemask.local:8080")
    pi.add_argument("--user", default="pi", metavar="NAME", help="who may log in (default pi)")
    pi.add_argument("--ssh-key", type=Path, metavar="FILE", help="public keys (default: ~/.ssh/id_*.pub)")
    pi.add_argument("--password-hash", metavar="HASH", help="as from: openssl passwd -6")
    pi.add_argument("--wifi", metavar="SSID", help="needs --country; asks for the password")
    pi.add_argument("--wifi-password-file", type=Path, metavar="FILE", help="where nobody can be asked")
    pi.add_argument("--country", metavar="CC", help="two letters, whose rules the radio obeys")
    pi.add_argument("--timezone", metavar="ZONE", help="such as Europe/Berlin (default: this machine's)")
    what = it.add_argument_group("what it runs")
    what.add_argument("--config", type=Path, metavar="FILE", help="see edgemask config check (default: the camera, tracked)")
    what.add_argument("--bundle", type=Path, metavar="FILE", help="default: the shipped person model")
    what.add_argument("--wheel", type=Path, metavar="FILE", help="edgemask itself (default: the very version that runs)")
    it.add_argument("--json", action="store_true", help="print what was made as JSON")
    return it.parse_args(arguments)
