"""Records as JSON lines, in a file or on standard output."""

import json
import os
import sys
from pathlib import Path

from edgemask.errors import OutputError
from edgemask.record import frame_record


class JsonLines:
    """One record a line, each written as soon as it is known; `-` is standard output.

    The file holds whole lines only: a line that does not fit on the disk is taken back.
    """

    def __init__(self, target: str):
        self.target, self.file, self.paths = target, None, []

    def __enter__(self) -> "JsonLines":
        return self

    def __exit__(self, *_):
        if self.file is not None:
            os.close(self.file)

    def write(self, frame, detections):
        """Append the frame's record; raises OutputError."""
        line = json.dumps(frame_record(frame, detections)) + "\n"
        try:
            if self.target == "-":
                sys.stdout.write(line)
                sys.stdout.flush()
            else:
                self._append(line.encode())
        except BrokenPipeError:
            raise
        except OSError as error:
            target = "standard output" if self.target == "-" else self.target
            raise OutputError(f"{target} cannot be written: {error.strerror}") from error

    def _append(self, line):
        if self.file is None:
            Path(self.target).parent.mkdir(parents=True, exist_ok=True)
            self.file = os.open(self.target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            self.paths.append(Path(self.target))
        whole = os.lseek(self.file, 0, os.SEEK_CUR) if os.path.isfile(self.target) else None
        try:
            left = line
            while left:
                left = left[os.write(self.file, left) :]
        except OSError:
            if whole is not None:
                os.ftruncate(self.file, whole)
            raise
