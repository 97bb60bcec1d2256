"""The motion gate: is there anything new to look at?"""

import cv2
import numpy as np

SMALL, TILES = (64, 48), (8, 6)
# Grey levels of 255. Sensor noise averages to less than one over a tile, a person who enters one is tens.
THRESHOLD = 4.0


class Gate:
    """Says of each frame whether it differs from the last one it let through.

    The mean absolute difference of two small grey pictures is taken in each of 8×6 tiles, so that
    somebody far away counts as much as somebody near; one tile above `threshold` is a change. A slow drift adds up
    until it is one.
    """

    def __init__(self, threshold: float = THRESHOLD):
        self.threshold, self.shape, self.seen = threshold, None, None

    def __call__(self, rgb: np.ndarray) -> bool:
        """Whether the frame, uint8 [height, width, 3], has changed."""
        # Shrinking in two steps: the first, without interpolation, keeps a large frame cheap.
        step = max(1, min(rgb.shape[0] // 192, rgb.shape[1] // 256))
        grey = cv2.cvtColor(np.ascontiguousarray(rgb[::step, ::step]), cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA)
        if self.shape == rgb.shape:
            difference = cv2.absdiff(small, self.seen).astype(np.float32)
            if cv2.resize(difference, TILES, interpolation=cv2.INTER_AREA).max() <= self.threshold:
                return False
        self.shape, self.seen = rgb.shape, small
        return True
