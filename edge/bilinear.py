"""Bilinear interpolation as a small matrix, which makes RoIAlign and mask pasting separable."""

import numpy as np


def weights(positions: np.ndarray, size: int) -> np.ndarray:
    """Weight of each of `size` cells at each position: float32 [..., size].

    positions: [...] in cells, 0 is the centre of the first cell. A position outside
    [0, size - 1] sees zeros beyond the edge; clamp it first to see the edge repeated.
    """
    distance = np.abs(np.asarray(positions, np.float32)[..., None] - np.arange(size, dtype=np.float32))
    return np.maximum(0, 1 - distance)
