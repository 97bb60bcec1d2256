"""The disks of a Mac, as `diskutil` tells them."""

import plistlib
import re
import subprocess
from pathlib import Path

from edgemask.errors import OptionError
from edgemask.flash.disks import Disk


def disks(ask=None) -> list[Disk]:
    """All physical disks; ask: runs `diskutil` with these arguments and returns its property list. Raises OptionError."""
    ask = ask or _diskutil
    listed = ask("list", "-plist")["AllDisksAndPartitions"]
    uses = _uses(listed)
    found = []
    for entry in listed:
        name = entry["DeviceIdentifier"]
        facts = ask("info", "-plist", name)
        if facts.get("VirtualOrPhysical") != "Virtual" and "APFSPhysicalStores" not in entry:
            card = bool(facts.get("RemovableMediaOrExternalDevice")) and not facts.get("Internal", True)
            # The built-in card reader is internal, its cards are not.
            card = card or bool(facts.get("RemovableMedia"))
            places = tuple(sorted(uses.get(name, ())))
            found.append(Disk(Path("/dev") / name, facts.get("MediaName", "unnamed"), entry["Size"], card, places))
    return found


def _uses(listed):
    """{disk: its mount points}; what an APFS container has mounted counts for the disks that it lies on."""
    uses = {}
    for entry in listed:
        volumes = [entry, *entry.get("Partitions", ()), *entry.get("APFSVolumes", ())]
        places = {volume["MountPoint"] for volume in volumes if volume.get("MountPoint")}
        stores = [store["DeviceIdentifier"] for store in entry.get("APFSPhysicalStores", ())]
        for name in [entry["DeviceIdentifier"], *stores]:
            uses.setdefault(re.match(r"disk\d+", name)[0], set()).update(places)
    return uses


def _diskutil(*arguments):
    try:
        return plistlib.loads(subprocess.run(["diskutil", *arguments], check=True, capture_output=True).stdout)
    except (OSError, subprocess.CalledProcessError, plistlib.InvalidFileException) as error:
        raise OptionError(f"diskutil {' '.join(arguments)} says nothing that can be read: {error}") from error
