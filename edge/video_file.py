"""Writing video files."""

import contextlib
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from edgemask.errors import OutputError
from edgemask.files import replacing

# OpenCV's wheels can make no H.264. VP8 plays in every browser, and a WebM file whose end is missing still plays.
CODECS = {".webm": "VP80", ".mp4": "mp4v"}


class VideoFile:
    """A video being written at `path`: `append` pictures, then `close`; the suffix, .webm or .mp4, chooses the codec.

    size: (width, height). Raises OutputError.
    """

    def __init__(self, path, fps: float, size):
        self.path, self.written = path, 0
        codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix])
        # An absolute path: FFmpeg takes what stands before a colon for a protocol.
        self.writer = cv2.VideoWriter(str(path.absolute()), cv2.CAP_FFMPEG, codec, fps, tuple(size))
        if not self.writer.isOpened():
            raise OutputError(f"{path} cannot be written: OpenCV cannot make a video there; is the folder writable?")

    def append(self, rgb: np.ndarray):
        """Add a frame, uint8 [height, width, 3]."""
        self.writer.write(cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
        self.written += 1

    def close(self):
        """Finish the file and count what reached the disk: OpenCV says nothing when that is full."""
        self.writer.release()
        if (readable := packets(self.path)) != self.written:
            raise OutputError(f"{self.path} cannot be written: {readable} of {self.written} frames reached the disk; is it full?")


def packets(path) -> int:
    """How many frames a video file holds, counted without decoding them."""
    video = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)
    video.set(cv2.CAP_PROP_FORMAT, -1)
    count = 0
    while video.grab():
        count += 1
    video.release()
    return count


@contextlib.contextmanager
def writing_video(path, fps: float, size) -> Iterator[Callable[[np.ndarray], None]]:
    """A function that appends an RGB frame to a file that takes its place when the block ends well and it is whole.

    Like `VideoFile` otherwise; raises OutputError.
    """
    with replacing(path) as temporary:
        try:
            video = VideoFile(temporary, fps, size)
            try:
                yield video.append
            finally:
                video.writer.release()
            video.close()
        except OutputError as error:
            raise OutputError(str(error).replace(str(temporary), str(path))) from error
