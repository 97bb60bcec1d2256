"""Annotated pictures and videos."""

import contextlib

import cv2

from edgemask import draw
from edgemask.errors import OutputError
from edgemask.files import replacing
from edgemask.sinks.names import Names
from edgemask.sinks.sink import Sink
from edgemask.video_file import writing_video


class Overlays(Sink):
    """Each still as `STEM.overlay.jpg`, a clip as `STEM.overlay.webm` that appears when it is whole.

    paint: frame and detections into a picture, as `painting.painter` gives it.
    """

    def __init__(self, folder, paint=draw.overlay):
        super().__init__()
        self.paint, self.folder, self.names, self.video = paint, folder, Names(folder, "overlay"), None
        self.stack = contextlib.ExitStack()

    def __str__(self):
        return f"annotated pictures in {self.folder}"

    def __exit__(self, *raised):
        return self.stack.__exit__(*raised)

    def write(self, frame, detections):
        """Draw the detections on the frame and keep the result; raises OutputError."""
        picture = self.paint(frame.rgb, detections)
        if frame.fps is None:
            self._write_still(self.names(frame.source, ".jpg"), picture)
            return
        if self.video is None:
            path = self.names(frame.source, ".webm")
            self.video = self.stack.enter_context(writing_video(path, frame.fps, frame.size))
            self.paths.append(path)
        self.video(picture)

    def _write_still(self, path, picture):
        if max(picture.shape) > 65_500:
            raise OutputError(f"{path} cannot be written: a JPEG file holds at most 65,500 pixels a side")
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        with replacing(path) as temporary:
            temporary.write_bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])
        self.paths.append(path)
