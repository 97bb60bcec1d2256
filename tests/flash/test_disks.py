"""The guard before a disk: whatever /sys and the mount table say, nothing mounted and no system's disk is written to."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemask.cli import main
from edgemask.errors import OptionError
from edgemask.flash.diskutil import disks as of_a_mac
from edgemask.flash.disks import LARGEST, choose, disks, removable

GB = 10**9


class Machine:
    """A made-up machine: /sys, /proc and /dev in a folder."""

    def __init__(self, root: Path):
        self.root, self.minor, self.mounts, self.swaps = root, 0, [], []
        for folder in ("sys/block", "proc/self", "dev/disk/by-uuid", "dev/mapper"):
            (root / folder).mkdir(parents=True)

    def number(self, folder):
        self.minor += 1
        (folder / "dev").write_text(f"8:{self.minor}\n")
        return f"8:{self.minor}"

    def disk(self, name, size=32 * GB, partitions=2, removable=True, kind=None, bus="mmc"):
        """A disk; its nodes' (name, number)."""
        home = self.root / "sys/devices" / bus / name
        (home / "device").mkdir(parents=True)
        (self.root / "sys/block" / name).symlink_to(home)
        (home / "removable").write_text(f"{int(removable)}\n")
        (home / "size").write_text(f"{size // 512}\n")
        (home / "device" / "model").write_text("Card Reader \n")
        if kind:
            (home / "device" / "type").write_text(f"{kind}\n")
        nodes = [(name, self.number(home))]
        for part in range(1, partitions + 1):
            folder = home / f"{name}p{part}"
            (folder / "holders").mkdir(parents=True)
            (folder / "partition").write_text(f"{part}\n")
            nodes.append((folder.name, self.number(folder)))
        (home / "holders").mkdir()
        for node, _ in nodes:
            (self.root / "dev" / node).touch()
        return nodes

    def layer(self, under, name):
        """Something on a node, such as LUKS or a logical volume; its (name, number)."""
        home = self.root / "sys/block" / name
        (home / "dm").mkdir(parents=True)
        (home / "holders").mkdir()
        (home / "dm" / "name").write_text(f"vg-{name}\n")
        (next(self.root.glob(f"sys/block/{under}")) if (self.root / "sys/block" / under).exists() else
         next(self.root.glob(f"sys/devices/*/*/{under}"))).joinpath("holders", name).touch()  # fmt: skip
        return f"mapper/vg-{name}", self.number(home)

    def mount(self, node, place, how):
        name, number = node
        source = f"/dev/{name}"
        if how == "link":
            source = f"/dev/disk/by-uuid/{len(self.mounts)}"
            (self.root / source.lstrip("/")).symlink_to(self.root / "dev" / name)
        # btrfs and others show a number of their own
        self.mounts.append(f"30 1 {'0:45' if how != 'number' else number} / {place} rw shared:1 - ext4 {source} rw")

    def disks(self):
        (self.root / "proc/self/mountinfo").write_text("".join(f"{line}\n" for line in self.mounts))
        (self.root / "proc/swaps").write_text("Filename Type Size Used Priority\n" + "".join(f"{one}\n" for one in self.swaps))
        return disks(self.root)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@st.composite
def machines(draw):
    """What stands on a machine: for each disk its traits, and what is done with which of its nodes."""
    use = st.tuples(st.integers(0, 3), st.sampled_from(["number", "name", "link", "swap", "btrfs"]), st.integers(0, 2),
                    st.sampled_from(["/", "/boot", "/home", "/media/me/card", "/mnt/a\\040b"]))  # fmt: skip
    disk = st.tuples(st.booleans(), st.sampled_from([1, 32 * GB, 2 * LARGEST]), st.integers(0, 3),
                     st.sampled_from(["SD", "MMC", None]), st.sampled_from(["usb1", "pci0"]), st.lists(use, max_size=2))  # fmt: skip
    return draw(st.lists(disk, min_size=1, max_size=4))


@settings(max_examples=50, deadline=None)
@given(machines(), st.integers(0, 3))
def test_no_mounted_and_no_system_disk_is_ever_writable(made_up, force):
    folder = Path(tempfile.mkdtemp())
    try:
        machine = Machine(folder)
        busy = _build(machine, made_up)
        found = {disk.path.name: disk for disk in machine.disks()}
        assert found.keys() == busy.keys()
        for name, disk in found.items():
            fits = disk.removable and 0 < disk.size and (disk.size <= LARGEST or force >= 2)
            if busy[name] or not fits:
                with pytest.raises(OptionError):
                    choose(list(found.values()), disk.path, force)
            else:
                assert choose(list(found.values()), disk.path, force) == disk
    finally:
        shutil.rmtree(folder)


def _build(machine, made_up):
    """{disk: whether anything of it is in use}."""
    busy = {}
    for index, (is_removable, size, partitions, kind, bus, uses) in enumerate(made_up):
        name = f"disk{index}"
        nodes = machine.disk(name, size, partitions, is_removable, kind, bus)
        busy[name] = bool(uses)
        for turn, (node, how, layers, place) in enumerate(uses):
            node = nodes[node % len(nodes)]
            for layer in range(layers):
                node = machine.layer(node[0].rpartition("/vg-")[2] or node[0], f"dm-{index}-{turn}-{layer}")
                (machine.root / "dev" / node[0]).touch()
            if how == "swap":
                machine.swaps.append(f"/dev/{node[0]} partition 1 0 -2")
            elif how == "btrfs":
                pool = machine.root / "sys/fs/btrfs" / f"{index}{turn}" / "devices"
                pool.mkdir(parents=True)
                (pool / node[0].rpartition("/vg-")[2]).touch()
            else:
                machine.mount(node, place, how)
    return busy


def test_removable_disks_alone_are_listed(machine, capsys, monkeypatch):
    machine.disk("mmcblk0", kind="SD", removable=False)
    machine.disk("mmcblk1", kind="MMC", removable=False)  # soldered on
    machine.disk("sda", removable=False, bus="usb3")
    machine.disk("nvme0n1", removable=False)
    machine.disk("sdb", size=0)  # a reader without a card
    found = machine.disks()
    assert [disk.path.name for disk in removable(found)] == ["mmcblk0", "sda"]
    monkeypatch.setattr("edgemask.flash.disks.disks", lambda: found)
    assert main(["flash", "--list"]) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("mmcblk0  32.0 GB  Card Reader")


def test_a_mounted_device_that_nothing_here_explains_could_be_any(machine):
    machine.disk("sda")
    machine.mount(("root", "0:1"), "/", "name")
    with pytest.raises(OptionError, match="in use"):
        choose(machine.disks(), machine.root / "dev/sda", 3)


def test_what_is_said(machine):
    (_, first, _) = machine.disk("sda", bus="usb1")
    machine.mount(first, "/media/me/boot\\040fs", "number")
    machine.disk("sdb", size=2 * LARGEST)
    found = machine.disks()
    for name, force, sentence in (("sda", 2, "is in use (/media/me/boot fs): unmount it first"), ("sdb", 1, "--force --force"),
                                  ("sda1", 2, "not a whole disk"), ("sdc", 2, "not a whole disk")):  # fmt: skip
        with pytest.raises(OptionError) as raised:
            choose(found, machine.root / "dev" / name, force)
        assert sentence in str(raised.value)


@pytest.mark.skipif(not Path("/sys/block").is_dir(), reason="needs Linux")
def test_this_machine_runs_from_no_disk_that_could_be_written():
    for disk in disks():
        if any(os.path.ismount(use) for use in disk.uses):
            with pytest.raises(OptionError):
                choose(disks(), disk.path, 3)


def test_a_mac_as_its_diskutil_tells_it():
    """No Mac stands here: the answers are made up in the form that `diskutil -plist` is documented to give."""
    listed = [
        {"DeviceIdentifier": "disk0", "Size": 500 * GB, "Partitions": [{"DeviceIdentifier": "disk0s2"}]},
        {"DeviceIdentifier": "disk3", "Size": 494 * GB, "APFSPhysicalStores": [{"DeviceIdentifier": "disk0s2"}],
         "APFSVolumes": [{"DeviceIdentifier": "disk3s1", "MountPoint": "/"}]},
        {"DeviceIdentifier": "disk4", "Size": 32 * GB,
         "Partitions": [{"DeviceIdentifier": "disk4s1", "MountPoint": "/Volumes/boot"}]},
        {"DeviceIdentifier": "disk5", "Size": 32 * GB, "Partitions": [{"DeviceIdentifier": "disk5s1"}]},
    ]  # fmt: skip
    facts = {"disk0": {"Internal": True, "MediaName": "SSD"}, "disk3": {"VirtualOrPhysical": "Virtual"},
             "disk4": {"Internal": False, "RemovableMediaOrExternalDevice": True, "MediaName": "Card"},
             "disk5": {"Internal": True, "RemovableMedia": True, "MediaName": "SDXC"}}  # fmt: skip
    found = of_a_mac(lambda verb, _, *name: {"AllDisksAndPartitions": listed} if verb == "list" else facts[name[0]])
    assert [str(disk.path) for disk in found] == ["/dev/disk0", "/dev/disk4", "/dev/disk5"]
    assert found[0].uses == ("/",) and found[1].uses == ("/Volumes/boot",)
    assert choose(found, Path("/dev/disk5")) == found[2]
    for path in ("/dev/disk0", "/dev/disk3", "/dev/disk4"):
        with pytest.raises(OptionError):
            choose(found, Path(path), 3)
