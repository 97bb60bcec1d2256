"""Video files through OpenCV."""

import logging
from collections.abc import Iterator
from pathlib import Path

import cv2

from edgemask.cameras.camera import Camera
from edgemask.cameras.frame import Frame
from edgemask.cameras.pace import Pace
from edgemask.errors import SourceError

log = logging.getLogger(__name__)


class Video(Camera):
    """Every frame of a video file in order; `paced` plays it as a camera would, and what is late is skipped."""

    def __init__(self, path: Path, paced: bool = False):
        self.source, self.live = path.name, paced
        # An absolute path: FFmpeg takes what stands before a colon for a protocol.
        self.capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
        if not self.capture.isOpened():
            raise SourceError(f"{path} is neither a picture nor a video")
        # OpenCV 4 leaves a phone's rotated clip lying on its side, OpenCV 5 does not.
        self.capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self.fps = self.capture.get(cv2.CAP_PROP_FPS) or 30.0

    def __len__(self) -> int:
        return max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def close(self):
        self.capture.release()

    def __iter__(self) -> Iterator[Frame]:
        number, announced = 0, len(self)
        pace = Pace(self.fps) if self.live else None
        while self.capture.grab():
            stamp = None
            if pace:
                due, stamp = pace(number)
                while number < due and self.capture.grab():
                    number += 1
            decoded, bgr = self.capture.retrieve()
            if not decoded:
                break
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            yield self._frame(rgb, number, stamp) if pace else Frame(rgb, self.source, number, self.fps)
            number += 1
        self.close()
        if not number:
            raise SourceError(f"{self.source} gives no frames: it is damaged or holds no picture track")
        if number < 0.9 * announced:  # some containers only estimate the count
            self.skipped = announced - number
            log.warning("%s ends after %d of about %d frames: it is cut off or damaged", self.source, number, announced)
