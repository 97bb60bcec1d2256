"""Writing video files, whole or not at all."""

import contextlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from edgemask.errors import OutputError
from edgemask.files import replacing
from edgemask.quiet import silent

# OpenCV's wheels can make no H.264; VP8 in WebM plays in every browser.
CODECS = {".webm": "VP80", ".mp4": "mp4v"}
ROOM = 1 << 20  # bytes that must fit on the disk at the start: OpenCV says nothing when it is full


@contextlib.contextmanager
def writing_video(path, fps: float, size) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends an RGB frame, uint8 [height, width, 3], to a .webm or .mp4 file.

    size: (width, height). The file takes its place when the block ends well and it reads back whole;
    raises OutputError.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(bytes(ROOM))
        codec = cv2.VideoWriter_fourcc(*CODECS[temporary.suffix])
        with silent():  # it has doubts about the codec's tag
            # An absolute path: FFmpeg takes what stands before a colon for a protocol.
            writer = cv2.VideoWriter(str(temporary.absolute()), cv2.CAP_FFMPEG, codec, fps, tuple(size))
        if not writer.isOpened():
            raise OutputError(f"{path} cannot be written: OpenCV cannot make a video there; is the folder writable?")
        written = 0

        def append(rgb):
            nonlocal written
            writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            written += 1

        try:
            yield append
        finally:
            writer.release()
        if (readable := packets(temporary)) != written:
            raise OutputError(f"{path} cannot be written: {readable} of {written} frames reached the disk; is it full?")


def packets(path) -> int:
    """How many frames a video file holds, counted without decoding them."""
    video = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    video.set(cv2.CAP_PROP_FORMAT, -1)
    count = 0
    while video.grab():
        count += 1
    video.release()
    return count
