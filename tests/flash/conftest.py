"""A small image with Raspberry Pi OS's two partitions, and what flash puts onto it."""

import shutil
import struct
import subprocess
from functools import cache
from pathlib import Path

import pytest

from edgemask.flash.fat import Fat

BOOT, ROOT, ROOM = 4 << 20, 38 << 20, 8 << 20  # bytes


@pytest.fixture(scope="session")
def make_image(tmp_path_factory):
    """`make_image(release, python, cloud_init, picamera2, lib)` is the path of a raw image, not to be changed."""
    from pyfatfs.PyFat import PyFat
    from pyfatfs.PyFatFS import PyFatFS

    if not shutil.which("mke2fs"):
        pytest.skip("needs mke2fs, which is in e2fsprogs")

    @cache
    def make(release="trixie", python="3.13", cloud_init=True, picamera2=False, lib="aarch64-linux-gnu"):
        tmp_path = tmp_path_factory.mktemp("vendor")
        root = tmp_path / "root"
        for folder in ("usr/bin", "etc", f"usr/lib/{lib}", "usr/lib/python3/dist-packages"):
            (root / folder).mkdir(parents=True)
        (root / "usr/lib/os-release").write_text(f'NAME="Debian"\nVERSION_CODENAME={release}\n')
        (root / "etc/os-release").symlink_to("../usr/lib/os-release")
        (root / "usr/bin/python3").symlink_to(f"python{python}")
        if picamera2:
            (root / "usr/lib/python3/dist-packages/picamera2").mkdir()
        image = tmp_path / f"{release}.img"
        image.write_bytes(b"")
        with image.open("r+b") as file:
            file.truncate(ROOT + ROOM)
            for number, (kind, start, size) in enumerate(((0x0C, BOOT, ROOT - BOOT), (0x83, ROOT, ROOM))):
                file.seek(446 + 16 * number)
                file.write(struct.pack("<4xB3xII", kind, start // 512, size // 512))
            file.seek(510)
            file.write(b"\x55\xaa")
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", root, "-E", f"offset={ROOT}", image, f"{ROOM >> 10}k"], check=True)
        fat = tmp_path / "boot.fat"
        fat.touch()
        empty = PyFat()
        empty.mkfs(str(fat), PyFat.FAT_TYPE_FAT32, size=ROOT - BOOT, label="BOOTFS")
        empty.close()
        files = PyFatFS(str(fat))
        files.writetext("CMDLINE.TXT", "console=tty1 root=PARTUUID=0123-02 rootwait quiet\n")
        for name in ("user-data", "network-config", "meta-data") if cloud_init else ():
            files.writetext(name, "# the image's own\n" * 500)
        files.close()
        with image.open("r+b") as file:
            file.seek(BOOT)
            file.write(fat.read_bytes())
        fat.unlink()
        return image

    return make


@pytest.fixture
def wheels(monkeypatch):
    """pip is not asked for packages: a wheelhouse is two empty files."""

    def fill(folder: Path, wheel, python, release):
        folder.mkdir()
        for name in ("pip-1-py3-none-any.whl", "edgemask-1-py3-none-any.whl"):
            (folder / name).write_bytes(name.encode())

    monkeypatch.setattr("edgemask.flash.wheelhouse.fill", fill)



@pytest.fixture
def read():
    """`read(image)` is {name: content} of the boot partition's files."""

    def of(image) -> dict[str, bytes]:
        with Fat(image, BOOT) as boot:
            return {path.lstrip("/"): boot.read(path) for path in boot.files.walk.files()}

    return of
