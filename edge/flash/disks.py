"""The disks that a card may be written to, and those that never are."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from edgemask.errors import OptionError

PLUGGED = ("/media/", "/run/media/", "/mnt", "/Volumes/")  # where desktops mount what is plugged in
LARGEST = 256 * 10**9  # bytes; cards are smaller, backups are not


@dataclass(frozen=True)
class Disk:
    """A whole disk; size in bytes; uses: what it is mounted as or otherwise needed for, empty when nothing is."""

    path: Path
    model: str
    size: int
    removable: bool
    uses: tuple[str, ...] = ()

    def __str__(self):
        return f"{self.path}  {self.size / 1e9:.1f} GB  {self.model}{f'  in use: {self.uses[0]}' if self.uses else ''}"

    @property
    def writable(self) -> bool:
        """Whether it is a card at all: removable, nowhere mounted, not the system's."""
        return self.removable and not self.uses and self.size > 0


def removable(found: list[Disk]) -> list[Disk]:
    """Those that people are shown."""
    return [disk for disk in found if disk.removable and disk.size]


def choose(found: list[Disk], path: Path, force: int = 0) -> Disk:
    """The disk at this path, if it may be written to; force: 2 for one larger than 256 GB. Raises OptionError."""
    shown = "; ".join(map(str, removable(found))) or "none is plugged in"
    disk = next((disk for disk in found if disk.path == path), None)
    if disk is None:
        raise OptionError(f"{path} is not a whole disk; removable ones: {shown}")
    if disk.uses:
        plugged = all(use.startswith(PLUGGED) for use in disk.uses)
        how = "unmount it first" if plugged else "it belongs to this system"
        raise OptionError(f"{path} is in use ({', '.join(disk.uses)}): {how}")
    if not disk.writable:
        raise OptionError(f"{path} is not removable, so it is no card; removable ones: {shown}")
    if disk.size > LARGEST and force < 2:
        raise OptionError(f"{path} has {disk.size / 1e9:.0f} GB, more than any card: --force --force if it is one all the same")
    return disk


def disks(root: Path = Path("/")) -> list[Disk]:
    """All disks with hardware behind them; root: where /sys, /proc and /dev lie. Raises OptionError where that is unknown."""
    if sys.platform == "darwin":
        from edgemask.flash.diskutil import disks as of_a_mac

        return of_a_mac()
    if not (root / "sys/block").is_dir():
        raise OptionError("flash --device is for Linux and macOS: write an image with -o and use Raspberry Pi Imager")
    blocks = {folder.name: folder for folder in sorted((root / "sys/block").iterdir())}
    used = _Uses(root, blocks)
    return [_disk(root, name, folder, used) for name, folder in blocks.items() if (folder / "device").exists()]


def _disk(root, name, folder, used):
    card = _text(folder / "device/type") == "SD"
    removable = card or _text(folder / "removable") == "1" or "/usb" in str(folder.resolve().relative_to(root.resolve()))
    model = _text(folder / "device/model") or _text(folder / "device/name") or "unnamed"
    size = 512 * int(_text(folder / "size") or 0)
    return Disk(root / "dev" / name, model, size, removable, tuple(used.of(folder)))


class _Uses:
    """What every block device is used for."""

    def __init__(self, root, blocks):
        self.root, self.blocks = root, blocks
        self.mounts = [_mount(line) for line in _text(root / "proc/self/mountinfo").splitlines()]
        self.swaps = {line.split()[0] for line in _text(root / "proc/swaps").splitlines()[1:] if line.strip()}
        # A file system over several disks names but one of them in the mount table.
        nodes = [*blocks.values(), *(path.parent for folder in blocks.values() for path in folder.glob("*/partition"))]
        self.known = {name for folder in nodes for name in (folder.name, _text(folder / "dm/name"))}
        self.pooled = {device.name for device in root.glob("sys/fs/btrfs/*/devices/*")}

    def of(self, folder) -> list[str]:
        """The uses of a disk, of its partitions, and of whatever lies on them (LVM, LUKS, RAID)."""
        numbers, names, uses = set(), set(), []
        self._gather(folder, numbers, names)
        for number, place, source in self.mounts:
            anonymous = number.startswith("0:") and source.startswith("/dev/")
            # A mounted device that nothing here is known by could be any of them.
            if number in numbers or anonymous and (self._name(source) in names or self._name(source) not in self.known):
                uses.append(place)
        uses += ["swap" for source in self.swaps if self._name(source) in names]
        return sorted(set(uses)) + ["part of a btrfs"] * bool(self.pooled & names)

    def _gather(self, folder, numbers, names):
        if folder.name in names:
            return
        numbers.add(_text(folder / "dev"))
        names |= {folder.name, _text(folder / "dm/name") or folder.name}
        parts = [child for child in folder.iterdir() if (child / "partition").exists()]
        holders = [self.blocks[one.name] for one in folder.glob("holders/*") if one.name in self.blocks]
        for one in parts + holders:
            self._gather(one, numbers, names)

    def _name(self, source):
        """A device's name, where links such as /dev/disk/by-uuid/… are followed."""
        path = self.root / source.lstrip("/")
        return path.resolve().name if path.is_symlink() and "/mapper/" not in source else path.name


def _mount(line):
    """(major:minor, mount point, source) of a line of mountinfo, proc(5)."""
    fields, _, rest = line.partition(" - ")
    number, place = fields.split()[2], fields.split()[4]
    source = rest.split()[1] if len(rest.split()) > 1 else ""
    return number, re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), place), source


def _text(path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""

