"""Class maps as PNG files."""

import cv2

from edgemask.files import replacing
from edgemask.sinks.names import Names


class SemanticMaps:
    """The class map of each frame as an 8-bit PNG, 0 background, else the category id: `STEM.semantic.png`,
    for a stream `STEM.semantic/000000.png` and so on."""

    def __init__(self, folder):
        self.names, self.paths = Names(folder, "semantic"), []

    def __enter__(self) -> "SemanticMaps":
        return self

    def __exit__(self, *_):
        pass

    def write(self, frame, detections):
        """Write the frame's class map; raises OutputError."""
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
        with replacing(path) as temporary:
            temporary.write_bytes(cv2.imencode(".png", detections.semantic())[1])
