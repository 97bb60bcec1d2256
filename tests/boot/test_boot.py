"""A flashed card boots, brings masks, and does nothing again the second time."""

import subprocess

import numpy as np
import pytest
from pycocotools import mask as coco

from edgemask.flash.fat import Fat
from edgemask.flash.image import partitions

pytestmark = pytest.mark.boot


def same(found, wanted):
    """The same instances, boxes to a pixel, masks to an IoU of 0.99."""
    assert len(found) == len(wanted) and sum(len(record["detections"]) for record in wanted) >= len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one["frame"] == other["frame"] and len(one["detections"]) == len(other["detections"])
        for got, want in zip(one["detections"], other["detections"], strict=True):
            np.testing.assert_allclose(corners(got), corners(want), rtol=0, atol=1)
            overlap = coco.iou([got["segmentation"]], [want["segmentation"]], [0]).item()
            assert overlap >= 0.99, f"mask IoU {overlap:.4f} in frame {one['frame']}"


def corners(one):
    x, y, width, height = one["bbox"]
    return x, y, x + width, y + height


def boot_files(card):
    """{name: content} of the boot partition's files."""
    with Fat(card, partitions(card, card)[0]) as boot:
        return {path.lstrip("/"): boot.read(path) for path in boot.files.walk.files()}


def first_boot_is_done(guest, link):
    """Wait for it, and look at what it left."""
    guest.wait(lambda: f"edgemask: open {link}" in guest.console())
    print(f"first boot done after {guest.seconds} s of emulation")
    assert guest("hostname").stdout == "gate-2\n" and guest("date +%Z").stdout.strip() in ("CET", "CEST")
    log = guest("cat /boot/firmware/edgemask.log").stdout
    assert "done: masks are on the web page" in log and "FAILED" not in log
    assert "EM100 this is no Raspberry Pi" in guest("cat /boot/firmware/edgemask-doctor.txt").stdout
    assert guest("systemctl is-enabled edgemask").stdout == "enabled\n"
    return log


def the_link_is_gone_once_it_was_opened(guest, link):
    assert guest("cat /boot/firmware/edgemask-link.txt").stdout == f"{link}\n"
    assert link in guest("cat /etc/issue.d/edgemask.issue").stdout
    path = link.partition("gate-2.local")[2]
    page = f"import urllib.request as it; print(it.urlopen(\"http://127.0.0.1{path}\").status)"
    guest.wait(lambda: guest(f"python3 -c \"{page.replace(chr(34), chr(92) + chr(34))}\"").stdout == "200\n")
    guest.wait(lambda: guest("test -e /boot/firmware/edgemask-link.txt || test -e /etc/issue.d/edgemask.issue").returncode == 1)


def no_secrets(card, link):
    """What any computer can read on the card."""
    files = boot_files(card)
    secrets = (link.partition("token=")[2].encode(), b"ssh-ed25519", b"psk", b"password", b"Home")
    told = {name: word for name, content in files.items() for word in secrets if word in content}
    assert not told and not any(name.startswith("edgemask/") for name in files)
    return files


def test_a_card_for_cloud_init(vendor, flash, boot, expected):
    card, made = flash(vendor / "vendor.img")
    assert made["system"] == {"release": "trixie", "python": "3.13", "cloud_init": True, "picamera2": False}
    with boot(card) as guest:
        log = first_boot_is_done(guest, made["link"])
        the_link_is_gone_once_it_was_opened(guest, made["link"])
        same(guest.records(), expected)
        guest("poweroff")
        guest.ended()
    line = no_secrets(card, made["link"])["cmdline.txt"]

    with boot(card) as guest:
        guest.wait(lambda: guest("systemctl is-active edgemask").stdout == "active\n")
        print(f"second boot: live after {guest.seconds} s of emulation")
        peak = guest.peak_memory()
        same(guest.records(), expected)
        total = int(guest("grep MemTotal /proc/meminfo").stdout.split()[1]) >> 10
        print(f"edgemask run peaks at {peak} MiB (VmHWM), on a machine with {total} MiB")
        assert total <= 426
        assert guest("cat /boot/firmware/edgemask.log").stdout == log
        assert guest("systemctl is-enabled edgemask-firstboot").stdout == "disabled\n"
        assert guest("dmesg | grep -ci \"out of memory\"").stdout == "0\n"
        guest("poweroff")
        guest.ended()
    assert no_secrets(card, made["link"])["cmdline.txt"] == line


@pytest.fixture
def without_cloud_init(vendor, tmp_path):
    """The image as one that takes firstrun.sh: nothing for cloud-init on it, and cloud-init switched off."""
    image = tmp_path / "vendor.img"
    subprocess.run(["cp", "--sparse=always", vendor / "vendor.img", image], check=True)
    start, root = partitions(image, image)
    with Fat(image, start) as boot:
        for name in ("user-data", "network-config", "meta-data"):
            boot.files.remove(name)
    (tmp_path / "off").touch()
    write = f"write {tmp_path}/off /etc/cloud/cloud-init.disabled"
    subprocess.run(["debugfs", "-w", "-R", write, f"{image}?offset={root}"], check=True)
    return image


def test_a_card_with_firstrun(without_cloud_init, flash, boot, expected):
    card, made = flash(without_cloud_init)
    assert not made["system"]["cloud_init"]
    with boot(card) as guest:
        guest.ended()
        print(f"firstrun.sh done after {guest.seconds} s of emulation")
    assert b"systemd.run" not in boot_files(card)["cmdline.txt"]
    with boot(card) as guest:
        first_boot_is_done(guest, made["link"])
        the_link_is_gone_once_it_was_opened(guest, made["link"])
        same(guest.records(), expected)
        connection = guest("cat /etc/NetworkManager/system-connections/edgemask.nmconnection").stdout
        assert "ssid=72;111;109;101;" in connection and "psk=" in connection
        guest("poweroff")
        guest.ended()
    no_secrets(card, made["link"])
