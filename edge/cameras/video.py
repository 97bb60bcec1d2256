"""Video files and USB cameras through OpenCV."""

from collections.abc import Iterator
from pathlib import Path

import cv2

from edgemask.cameras.frame import Frame
from edgemask.errors import SourceError


class Video:
    """Every frame of a video file, or the frames of camera number `source` as they come."""

    skipped = 0

    def __init__(self, source: Path | int):
        self.live = isinstance(source, int)
        self.source = str(source) if self.live else source.name
        backend = cv2.CAP_ANY if self.live else cv2.CAP_FFMPEG
        self.capture = cv2.VideoCapture(source if self.live else str(source), backend)
        if not self.capture.isOpened():
            what = f"camera {source} cannot be opened" if self.live else f"{source} is neither a picture nor a video"
            raise SourceError(f"{what}: SOURCE is a picture, a folder, a video or a camera index")
        self.fps = self.capture.get(cv2.CAP_PROP_FPS) or 30.0

    def __len__(self) -> int:
        return 0 if self.live else max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        try:
            while (grabbed := self.capture.read())[0]:
                yield Frame(cv2.cvtColor(grabbed[1], cv2.COLOR_BGR2RGB), self.source, number, self.fps)
                number += 1
        finally:
            self.capture.release()
        if not number:
            raise SourceError(f"{self.source} gives no frames: it is damaged or holds no picture track")
