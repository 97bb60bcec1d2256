"""A downloaded image: unpacked, checked, and its two partitions found."""

import hashlib
import lzma
import struct
import zipfile
from contextlib import contextmanager
from pathlib import Path

from edgemask.errors import OptionError
from edgemask.progress import Line

CHUNK = 4 << 20
SECTOR = 512
FAT, LINUX = (0x0B, 0x0C, 0x0E), (0x83,)


def unpack(source: Path, target: Path, sha256: str | None = None):
    """Write a .img, .img.xz or .zip as a raw image in which blocks of zeros take no space on the disk.

    sha256: of the file as it was downloaded. Raises OptionError, also for a damaged file.
    """
    try:
        if sha256:
            _check(source, sha256)
        with _opened(source) as (file, size), target.open("wb") as out, Line() as line:
            while chunk := file.read(CHUNK):
                if chunk.count(0) == len(chunk):
                    out.seek(len(chunk), 1)
                else:
                    out.write(chunk)
                if line.due():
                    line.say(f"unpacking {source.name}: {out.tell() >> 20}{f' of {size >> 20}' if size else ''} MiB")
            out.truncate(out.tell())
    except (lzma.LZMAError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise OptionError(f"{source} is damaged ({error}): download it again") from error
    except OSError as error:
        raise OptionError(f"{source} cannot be unpacked: {error.strerror or error}") from error


def partitions(image: Path, name: Path) -> tuple[int, int]:
    """Where the boot (FAT) and the root (ext4) partition begin, in bytes; name: the download's, for OptionError."""
    with image.open("rb") as file:
        sector = file.read(SECTOR)
    entries = [struct.unpack_from("<4xB3xI", sector, 446 + 16 * number) for number in range(4)] if len(sector) == SECTOR else []
    found = {kind: SECTOR * start for kind, start in reversed(entries)}
    boot, root = (next((found[kind] for kind in kinds if kind in found), None) for kinds in (FAT, LINUX))
    if sector[-2:] != b"\x55\xaa" or not boot or not root:
        raise OptionError(f"{name} has no FAT and Linux partition: give the image of Raspberry Pi OS (.img, .img.xz or .zip)")
    return boot, root


@contextmanager
def _opened(source):
    """(A file of the raw image, its size where that is known.)"""
    if source.suffix == ".xz":
        with lzma.open(source) as file:
            yield file, None
    elif source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            images = [entry for entry in archive.infolist() if entry.filename.endswith(".img")]
            if len(images) != 1:
                raise OptionError(f"{source} holds {len(images)} .img files, where one was expected")
            with archive.open(images[0]) as file:
                yield file, images[0].file_size
    elif source.suffix == ".img":
        with source.open("rb") as file:
            yield file, source.stat().st_size
    else:
        raise OptionError(f"{source} is no .img, .img.xz or .zip")


def _check(source, sha256):
    with source.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256.lower():
        raise OptionError(f"{source} has the SHA-256 {found}, not {sha256}: download it again")


