"""Class maps as PNG files."""

import cv2

from edgemask.files import replacing
from edgemask.sinks.names import Names
from edgemask.sinks.sink import Sink


class SemanticMaps(Sink):
    """The class map of each frame as an 8-bit PNG, 0 background, else the category id: `STEM.semantic.png`,
    for a stream `STEM.semantic/000000.png` and so on."""

    def __init__(self, folder):
        super().__init__()
        self.folder, self.names = folder, Names(folder, "semantic")

    def __str__(self):
        return f"class maps in {self.folder}"

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
