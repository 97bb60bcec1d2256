"""Annotated video of a live camera."""

import contextlib
import time

from edgemask import draw
from edgemask.errors import OutputError
from edgemask.sinks.names import Names
from edgemask.sinks.sink import Sink
from edgemask.video_file import VideoFile


class Recording(Sink):
    """`STEM.overlay/20261124T101500Z.webm` and so on, a new file each minute and after every gap.

    Each plays at the speed of life at ten frames a second, whatever came in between, and a file that was
    being written when the power went still plays. Nothing is ever deleted.
    """

    FPS, GAP = 10.0, 2.0
    ROOM = 1 << 20  # bytes tried first: OpenCV does not say when the disk is full

    def __init__(self, folder, minute: float = 60.0):
        super().__init__()
        self.folder, self.minute = folder, minute
        self.names, self.video, self.start = Names(folder, "overlay"), None, 0.0

    def __str__(self):
        return f"annotated video in {self.folder}"

    def __exit__(self, *_):
        if self.video is not None:
            video, self.video = self.video, None
            video.close()

    def write(self, frame, detections):
        """Draw the detections on the frame and add the result to the video; raises OutputError."""
        now = time.monotonic() if frame.stamp is None else frame.stamp / 1e9
        due = self._due(now)
        if self.video is None or due > self.GAP * self.FPS or now - self.start > self.minute or self.size != frame.size:
            self.__exit__()
            self._begin(frame, now)
            due = 1
        if due > 0:
            picture = draw.overlay(frame.rgb, detections)
            for _ in range(due):
                self.video.append(picture)

    def _due(self, now):
        """Frames to write so that the video is as long as the time it shows."""
        return 0 if self.video is None else int((now - self.start) * self.FPS) + 1 - self.video.written

    def _begin(self, frame, now):
        folder = self.names(frame.source, "")
        path = folder / f"{frame.time:%Y%m%dT%H%M%SZ}.webm"
        while path.exists():  # the clock was set back
            path = path.with_stem(f"{path.stem}_")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(self.ROOM))
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error
        self.start, self.size, self.video = now, frame.size, VideoFile(path, self.FPS, frame.size)
        if folder not in self.paths:
            self.paths.append(folder)
