"""Video files and USB cameras through OpenCV."""

import logging
from collections.abc import Iterator
from pathlib import Path

import cv2

from edgemask.cameras.frame import Frame
from edgemask.errors import SourceError

log = logging.getLogger(__name__)


class Video:
    """Every frame of a video file, or the frames of camera number `source` as they come."""

    def __init__(self, source: Path | int):
        self.skipped = 0
        self.live = isinstance(source, int)
        self.source = str(source) if self.live else source.name
        backend = cv2.CAP_ANY if self.live else cv2.CAP_FFMPEG
        # An absolute path: FFmpeg takes what stands before a colon for a protocol.
        self.capture = cv2.VideoCapture(source if self.live else str(source.resolve()), backend)
        if not self.capture.isOpened():
            what = f"camera {source} cannot be opened" if self.live else f"{source} is neither a picture nor a video"
            raise SourceError(f"{what}: SOURCE is a picture, a folder, a video or a camera index")
        # OpenCV 4 leaves a phone's rotated clip lying on its side, OpenCV 5 does not.
        self.capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self.fps = self.capture.get(cv2.CAP_PROP_FPS) or 30.0

    def __len__(self) -> int:
        return 0 if self.live else max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def __iter__(self) -> Iterator[Frame]:
        number, announced = 0, len(self)
        try:
            while (grabbed := self.capture.read())[0]:
                yield Frame(cv2.cvtColor(grabbed[1], cv2.COLOR_BGR2RGB), self.source, number, self.fps)
                number += 1
        finally:
            self.capture.release()
        if not number:
            raise SourceError(f"{self.source} gives no frames: it is damaged or holds no picture track")
        if number < 0.9 * announced:  # some containers only estimate the count
            self.skipped = announced - number
            log.warning("%s ends after %d of about %d frames: it is cut off or damaged", self.source, number, announced)
