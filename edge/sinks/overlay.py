"""Annotated pictures and videos."""

import contextlib

import cv2

from edgemask import draw
from edgemask.errors import OutputError
from edgemask.files import replacing
from edgemask.sinks.names import Names


class Overlays:
    """Each still as `STEM.overlay.jpg`, a stream as `STEM.overlay.mp4` that appears when it is whole."""

    def __init__(self, folder):
        self.names, self.paths, self.video = Names(folder, "overlay"), [], None

    def __enter__(self) -> "Overlays":
        self.stack = contextlib.ExitStack()
        return self

    def __exit__(self, *raised):
        return self.stack.__exit__(*raised)

    def write(self, frame, detections):
        """Draw the detections on the frame and keep the result; raises OutputError."""
        bgr = cv2.cvtColor(draw.overlay(frame.rgb, detections), cv2.COLOR_RGB2BGR)
        if frame.fps is None:
            path = self.names(frame.source, ".jpg")
            with replacing(path) as temporary:
                temporary.write_bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])[1])
            self.paths.append(path)
            return
        if self.video is None:
            path = self.names(frame.source, ".mp4")
            self.video = self.stack.enter_context(_video(path, frame.fps, frame.size))
            self.paths.append(path)
        self.video(bgr)


@contextlib.contextmanager
def _video(path, fps, size):
    """A function that appends a BGR frame to an MPEG-4 file, which takes its place when it reads back whole."""
    with replacing(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*"mp4v"), fps, size)
        if not writer.isOpened():
            raise OutputError(f"{path} cannot be written: OpenCV cannot make an MPEG-4 file there")
        written = 0

        def append(bgr):
            nonlocal written
            writer.write(bgr)
            written += 1

        try:
            yield append
        finally:
            writer.release()
        # OpenCV says nothing when the disk is full.
        readable = int(cv2.VideoCapture(str(temporary), cv2.CAP_FFMPEG).get(cv2.CAP_PROP_FRAME_COUNT))
        if readable != written:
            raise OutputError(f"{path} cannot be written whole: {readable} of {written} frames reached the disk; is it full?")
