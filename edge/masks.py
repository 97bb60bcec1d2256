"""Instance masks: from a 28×28 grid of probabilities to pixels of the frame."""

import numpy as np

from edgemask import bilinear


def paste(probabilities: np.ndarray, box: np.ndarray, size) -> tuple[np.ndarray, int, int]:
    """Mask of one box within the frame: (bool [h, w] crop, its left, its top).

    probabilities: float32 [S, S] over the box; box: x0, y0, x1, y1 in frame pixels;
    size: frame (width, height). Sampled bilinearly at pixel centres with zeros outside
    the box, cut at 0.5.
    """
    low = np.clip(np.floor(box[:2]), 0, size).astype(int)
    high = np.clip(np.ceil(box[2:]), low, size).astype(int)
    side = np.maximum(box[2:] - box[:2], 1e-6)
    columns, rows = (
        (np.arange(low[axis], high[axis]) + 0.5 - box[axis]) / side[axis] * probabilities.shape[0] - 0.5
        for axis in (0, 1)
    )
    across = bilinear.weights(columns, probabilities.shape[1])
    down = bilinear.weights(rows, probabilities.shape[0])
    return down @ probabilities @ across.T >= 0.5, int(low[0]), int(low[1])
