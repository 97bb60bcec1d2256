"""Records as JSON lines, in a file or on standard output."""

import contextlib
import os
import sys
import time
from pathlib import Path

from edgemask.errors import OutputError
from edgemask.record import record_line
from edgemask.sinks.sink import Sink


class StandardOutput(Sink):
    """One record a line, each written as soon as it is known."""

    def write(self, frame, detections):
        """Print the frame's record; raises BrokenPipeError when nobody reads any more, OutputError."""
        try:
            sys.stdout.write(record_line(frame, detections).decode())
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{self} cannot be written: {error.strerror}") from error

    def __str__(self):
        return "standard output"


class JsonLines(Sink):
    """One record a line in a file, each written as soon as it is known.

    The file holds whole lines only: a line that does not fit on the disk is taken back, and with `append` half a
    line at the end, from a power cut, is cut off first. What is appended reaches the disk at most a second
    later. rotate: bytes after which the file becomes `NAME.1`, that `NAME.2` and so on up to `keep`; None: never.
    """

    SYNC = 1.0

    def __init__(self, path, append: bool = False, rotate: int | None = None, keep: int = 5):
        super().__init__()
        self.path, self.append, self.rotate, self.keep = Path(path), append, rotate, keep
        self.file, self.regular, self.size, self.synced = None, False, 0, 0.0

    def __str__(self):
        return str(self.path)

    def __exit__(self, *_):
        if self.file is not None:
            file, self.file = self.file, None
            with contextlib.suppress(OSError):  # pipes and terminals have nothing to sync
                os.fsync(file)
            os.close(file)

    def write(self, frame, detections):
        """Append the frame's record; raises OutputError."""
        line = record_line(frame, detections)
        try:
            if self.file is None:
                self._open()
            if self.rotate and self.size and self.size + len(line) > self.rotate:
                self._rotate()
            self._append(line)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{self} cannot be written: {error.strerror}") from error

    def _open(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Appending, each line is one write at the end, whoever else writes there.
        start = os.O_APPEND if self.append else os.O_TRUNC
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT | start, 0o644)
        self.regular = self.path.is_file()
        self.size = whole_lines(self.file) if self.regular and self.append else 0
        if self.path not in self.paths:
            self.paths.append(self.path)

    def _append(self, line):
        try:
            left = line
            while left:
                left = left[os.write(self.file, left) :]
        except OSError:
            if self.regular:
                os.ftruncate(self.file, self.size)
            raise
        self.size += len(line)
        if self.append and self.regular and time.monotonic() - self.synced > self.SYNC:
            os.fsync(self.file)
            self.synced = time.monotonic()

    def _rotate(self):
        self.__exit__()
        for number in range(self.keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        os.replace(self.path, f"{self.path}.1")
        self._open()


def whole_lines(file: int) -> int:
    """Cut an open file off behind its last newline; its length in bytes then."""
    size = end = os.fstat(file).st_size
    while end:
        start = max(0, end - 65_536)
        newline = os.pread(file, end - start, start).rfind(b"\n")
        end = start
        if newline >= 0:
            end = start + newline + 1
            break
    if end < size:
        os.ftruncate(file, end)
    return end
