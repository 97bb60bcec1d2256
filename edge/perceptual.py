"""Near-duplicate pictures, told by a perceptual hash."""

import cv2
import numpy as np

# Of 64 bits: the same scene a moment later differs by a few, another scene by about thirty.
NEAR = 6


def difference_hash(rgb: np.ndarray) -> int:
    """64-bit dHash (Krawetz 2013) of a picture, uint8 [h, w, 3]: is each cell of a 9×8 thumbnail brighter than the next?"""
    small = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(small[:, :-1] > small[:, 1:]).tobytes(), "big")


class Novelty:
    """Remembers pictures and says of each whether it is new.

    >>> new = Novelty()
    >>> kept = [rgb for rgb in frames if new(rgb)]
    """

    def __init__(self, near: int = NEAR):
        self.near, self.hashes = near, []

    def __call__(self, rgb: np.ndarray) -> bool:
        """False when a picture kept before is within `near` bits."""
        found = difference_hash(rgb)
        if any((found ^ other).bit_count() <= self.near for other in self.hashes):
            return False
        self.hashes.append(found)
        return True
