"""Maps of what is where, as PNG files."""

import cv2
import numpy as np

from edgemask.detections import Detections
from edgemask.files import replacing
from edgemask.sinks.names import Names
from edgemask.sinks.sink import Sink


class Maps(Sink):
    """An 8-bit PNG of each frame: `STEM.KIND.png`, for a stream `STEM.KIND/000000.png` and so on."""

    KIND = WORDS = ""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.names = folder, Names(folder, self.KIND)

    def __str__(self):
        return f"{self.WORDS} in {self.folder}"

    def map(self, detections: Detections) -> np.ndarray:
        """The picture to write, uint8 [height, width], or [height, width, 3] RGB."""
        raise NotImplementedError

    def write(self, frame, detections):
        """Write the frame's map; raises OutputError."""
        if frame.fps is None:
            path = self.names(frame.source, ".png")
            self.paths.append(path)
        else:
            folder = self.names(frame.source, "")
            path = folder / f"{frame.number:06}.png"
            if folder not in self.paths:
                self.paths.append(folder)
                for stale in folder.glob("[0-9]*.png"):  # of a longer clip of that name
                    stale.unlink()
        picture = self.map(detections)
        with replacing(path) as temporary:
            temporary.write_bytes(cv2.imencode(".png", picture[..., ::-1] if picture.ndim == 3 else picture)[1])


class SemanticMaps(Maps):
    """The class of each pixel: 0 background, else the category id."""

    KIND, WORDS = "semantic", "class maps"

    def map(self, detections):
        """One channel."""
        return detections.semantic()


class IuvMaps(Maps):
    """Part, U and V of each pixel: red is the part's number, green U · 255, blue V · 255, all 0 where there is no body."""

    KIND, WORDS = "iuv", "IUV maps"

    def map(self, detections):
        """RGB."""
        return detections.iuv()
