"""Writing video files, whole or not at all."""

import contextlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from edgemask.errors import OutputError
from edgemask.files import replacing


@contextlib.contextmanager
def writing_video(path, fps: float, size) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends an RGB frame, uint8 [height, width, 3], to an MPEG-4 file.

    size: (width, height). The file takes its place when the block ends well and it reads back whole;
    raises OutputError.
    """
    with replacing(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*"mp4v"), fps, tuple(size))
        if not writer.isOpened():
            raise OutputError(f"{path} cannot be written: OpenCV cannot make an MPEG-4 file there; is the folder writable?")
        written = 0

        def append(rgb):
            nonlocal written
            writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
            written += 1

        try:
            yield append
        finally:
            writer.release()
        # OpenCV says nothing when the disk is full.
        readable = int(cv2.VideoCapture(str(temporary.resolve()), cv2.CAP_FFMPEG).get(cv2.CAP_PROP_FRAME_COUNT))
        if readable != written:
            raise OutputError(f"{path} cannot be written: {readable} of {written} frames reached the disk; is it full?")
