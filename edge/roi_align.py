"""RoIAlign (He et al. 2017) as two small matrix products a box, on float or on quantised levels."""

import numpy as np

from edgemask import bilinear


def assign_levels(boxes: np.ndarray, canonical: float, count: int) -> np.ndarray:
    """Pyramid level of each box, 0 the finest (Lin et al. 2017, eq. 1): int [N].

    A box of `canonical` pixels a side belongs to level 1.
    """
    sides = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    level = np.floor(np.log2(np.maximum(sides, 1e-6) / canonical + 1e-6)) + 1
    return np.clip(level, 0, count - 1).astype(np.int64)


def canonical(roi: dict, stage: str) -> float:
    """A manifest's canonical size for a stage's RoIs.

    Mask and dense head pool to more cells than the box head and so read finer levels; a bundle that names no size for
    them was trained with the box head's.
    """
    return roi["canonical"] if stage == "box" else roi.get("canonical_mask", roi["canonical"])


def roi_align(levels, boxes: np.ndarray, input_size, pooled: int, samples: int, canonical: float) -> np.ndarray:
    """Features of each box, pooled to [N, pooled, pooled, C] in the levels' own dtype.

    levels: arrays [1, h, w, C], fine to coarse, all of one scale and zero point when quantised;
    boxes: [N, 4] inside the input, in its pixels; input_size: (width, height). Half-pixel centres
    (`aligned`), samples × samples points a bin, averaged. Quantised values are rounded to nearest, and their points
    lie on a grid of 1/128 cell (for 2 samples): then weights have 8 bits, and float32 sums of uint8 by such weights
    on both axes have 24, exact in any order, the same on every processor.
    """
    grain = None if levels[0].dtype.kind == "f" else 256 / samples
    out = np.empty((len(boxes), pooled, pooled, levels[0].shape[-1]), levels[0].dtype)
    assigned = assign_levels(boxes, canonical, len(levels))
    for index in np.unique(assigned):
        features, chosen = levels[index][0], np.flatnonzero(assigned == index)
        scale = features.shape[1] / input_size[0]
        across = _axis_weights(boxes[chosen][:, [0, 2]] * scale, features.shape[1], pooled, samples, grain)
        down = _axis_weights(boxes[chosen][:, [1, 3]] * scale, features.shape[0], pooled, samples, grain)
        for box, wx, columns, wy, rows in zip(chosen, across, _spans(across), down, _spans(down), strict=True):
            out[box] = _pool(features[slice(*rows), slice(*columns)], wx[:, slice(*columns)], wy[:, slice(*rows)])
    return out


def _axis_weights(ends, size, pooled, samples, grain):
    """Weights [N, pooled, size] of an axis for intervals `ends` [N, 2] in cells; grain: points a cell, None for any."""
    start, length = ends[:, :1] - 0.5, ends[:, 1:] - ends[:, :1]
    points = (np.arange(pooled * samples, dtype=np.float32) + 0.5) / (pooled * samples)
    positions = np.clip(start + length * points, 0, size - 1)
    if grain:
        positions = np.rint(positions * grain) / grain
    return bilinear.weights(positions.reshape(-1, pooled, samples), size).mean(axis=2)


def _spans(weights):
    """First cell that each of weights [N, pooled, size] reads, and the one after its last: [N, 2]."""
    read = weights.any(axis=1)
    return np.stack([read.argmax(axis=1), read.shape[1] - read[:, ::-1].argmax(axis=1)], axis=1).tolist()


def _pool(features, wx, wy):
    # int8 is pooled as the uint8 it stands for, so that float sums round alike for every engine.
    offset = np.float32(128 if features.dtype == np.int8 else 0)
    crop = features.astype(np.float32)
    crop += offset
    rows = wy @ crop.reshape(len(crop), -1)
    pooled = wx @ rows.reshape(len(wy), crop.shape[1], -1)
    return pooled if features.dtype.kind == "f" else np.rint(pooled) - offset
