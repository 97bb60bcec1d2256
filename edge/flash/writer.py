"""Writing an image to a card: what is not zeros, then a look at every byte, the partition table last."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edgemask.errors import OptionError, OutputError
from edgemask.progress import Line

CHUNK = 4 << 20
HEAD = 1 << 20  # bytes; the partition table lies in them, and without it no Pi starts from a half-written card
MARK = b"edgemask flash was writing this card and did not finish.\n".ljust(512, b"\0")


def interrupted(device: Path) -> bool:
    """Whether the last writing to this card did not come to its end. Raises OptionError where it cannot be read."""
    try:
        with device.open("rb") as file:
            return file.read(len(MARK)) == MARK
    except PermissionError as error:
        raise OptionError(f"{device} can be opened by root alone: sudo") from error
    except OSError as error:
        raise OptionError(f"{device} cannot be read: {error.strerror}") from error


def write(image: Path, device: Path):
    """Write an image to a disk (or a file as large) and read it back.

    Blocks of zeros are read first and written only where the card holds something else. Raises OptionError for a disk
    that is too small or that the kernel holds, OutputError when it cannot be written or reads back differently.
    """
    size = image.stat().st_size
    try:
        # Linux refuses a disk of which anything is mounted or held when it is opened so: the last of the guards.
        with _closing(os.open(device, os.O_RDWR | (os.O_EXCL if device.is_block_device() else 0))) as card:
            if os.lseek(card, 0, os.SEEK_END) < size:
                raise OptionError(f"{device} is too small: the image has {size / 1e9:.1f} GB")
            with image.open("rb") as file:
                _put(card, MARK + bytes(HEAD - len(MARK)), 0)
                _sync(card)
                _write(file, card, size)
                _sync(card)
                _compare(file, card, size, device)
                file.seek(0)
                _put(card, file.read(HEAD), 0)
                _sync(card)
                file.seek(0)
                if os.pread(card, min(size, HEAD), 0) != file.read(HEAD):
                    raise OutputError(f"{device} reads back differently at its beginning: try another card or reader")
    except PermissionError as error:
        raise OptionError(f"{device} can be opened by root alone: sudo") from error
    except OSError as error:
        if isinstance(error, OptionError | OutputError):
            raise
        raise OutputError(f"{device} could not be written: {error.strerror}; it is not finished, write it again") from error


def _write(file, card, size):
    start, done = time.monotonic(), 0
    with Line() as line:
        for place, chunk in _chunks(file, size):
            if chunk.count(0) < len(chunk) or any(os.pread(card, len(chunk), place)):
                _put(card, chunk, place)
                _spread(card, place)
            done = place + len(chunk)
            if line.due():
                line.say(_text("writing", done, size, start))
    _say("wrote", size, start)


def _compare(file, card, size, device):
    start = time.monotonic()
    with Line() as line:
        for place, chunk in _chunks(file, size):
            if os.pread(card, len(chunk), place) != chunk:
                raise OutputError(f"{device} reads back differently near byte {place}: try another card or reader")
            if line.due():
                line.say(_text("reading back", place + len(chunk), size, start))
    _say("read back", size, start)


def _chunks(file, size) -> Iterator[tuple[int, bytes]]:
    """(Place, content) of all but the head."""
    file.seek(HEAD)
    for place in range(HEAD, size, CHUNK):
        yield place, file.read(CHUNK)


def _put(card, content, place):
    while content:
        written = os.pwrite(card, content, place)
        content, place = content[written:], place + written


def _spread(card, place):
    """Let no more than some chunks wait in memory, so that the rate shown is the card's."""
    if place // CHUNK % 16 == 0:
        os.fsync(card)


def _sync(card):
    os.fsync(card)
    if hasattr(os, "posix_fadvise"):  # what is read back comes from the card, not from memory
        os.posix_fadvise(card, 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.contextmanager
def _closing(descriptor):
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _text(what, done, size, start):
    elapsed = time.monotonic() - start
    rate = done / elapsed if elapsed else 0.0
    left = f", {(size - done) / rate:.0f} s left" if rate else ""
    return f"{what}: {done >> 20} of {size >> 20} MiB, {rate / 1e6:.0f} MB/s{left}"


def _say(what, size, start):
    elapsed = time.monotonic() - start
    print(f"{what} {size >> 20} MiB in {elapsed:.0f} s", file=sys.stderr)
