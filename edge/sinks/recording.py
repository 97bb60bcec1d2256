"""Annotated video of a live camera."""

import contextlib
import time
from pathlib import Path

from edgemask import draw
from edgemask.sinks.names import Names
from edgemask.sinks.sink import Sink
from edgemask.video_file import writing_video


class Recording(Sink):
    """`STEM.overlay/20261124T101500Z.webm` and so on, a new file every `seconds` and after every gap.

    Each plays at the speed of life, ten frames a second whatever came in between, and appears when it is whole:
    a power cut costs the one that was being written. Nothing is ever deleted. paint: as of `Overlays`.
    """

    FPS, GAP = 10.0, 2.0

    def __init__(self, folder, seconds: float = 10.0, paint=draw.overlay):
        super().__init__()
        self.paint, self.folder, self.seconds, self.names = paint, folder, seconds, Names(folder, "overlay")
        self.stack, self.append, self.start, self.size, self.written = contextlib.ExitStack(), None, 0.0, None, 0

    def __str__(self):
        return f"annotated video in {self.folder}"

    def __exit__(self, *raised):
        self.append = None
        return self.stack.__exit__(*raised)

    def write(self, frame, detections):
        """Draw the detections on the frame and add the result to the video; raises OutputError."""
        now = time.monotonic() if frame.stamp is None else frame.stamp / 1e9
        due = self._due(now)
        if not self.append or due > self.GAP * self.FPS or now - self.start >= self.seconds or self.size != frame.size:
            self.__exit__(None, None, None)
            self._begin(frame, now)
            due = 1
        if due > 0:
            picture = self.paint(frame.rgb, detections)
            for _ in range(due):
                self.append(picture)
            self.written += due

    def _due(self, now):
        """Frames to write so that the video is as long as the time it shows."""
        return int((now - self.start) * self.FPS) + 1 - self.written

    def _begin(self, frame, now):
        folder = self.names(frame.source, "")
        if folder not in self.paths:
            self.paths.append(folder)
            for left in folder.glob(".*.part.webm"):  # by a run that was killed
                left.unlink()
        path = _free(folder / f"{frame.time:%Y%m%dT%H%M%SZ}.webm")
        self.append = self.stack.enter_context(writing_video(path, self.FPS, frame.size))
        self.start, self.size, self.written = now, frame.size, 0


def _free(path: Path) -> Path:
    """The path, or one like it where nothing is yet: a clock may be set back."""
    while path.exists():
        path = path.with_stem(f"{path.stem}_")
    return path
