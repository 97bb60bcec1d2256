"""YOLO's segmentation head after its network, in numpy: what a Pi without torch has to do between network and masks.

Ultralytics' own code for this is torch. Here the boxes are found first, and prototypes are combined and enlarged only
within each (Bolya et al. 2019, YOLACT, section 3): the cheapest way we know to the same masks.
"""

import numpy as np

from edgemask import boxes
from edgemask.benchmarks.peers.scene import INPUT, PEOPLE, Found, people, twins
from edgemask.bilinear import weights

CONFIDENCE, OVERLAP = 0.25, 0.5  # as `yolo predict`, and as edgemask and torchvision: at its own 0.7 the twins would stay
COEFFICIENTS, CELL = 32, 4  # prototypes, and pixels of the input in one of their cells


def decode(outputs: list[np.ndarray], size: tuple[int, int], ratio: float) -> Found:
    """Instances from the network's two outputs, boxes and prototypes.

    outputs: float32 [1, 37, 2100] before NMS or [1, 300, 38] of a network that needs none, and [1, 32, 80, 80];
    size: the frame's (width, height); ratio: the input's pixels per pixel of the frame.
    """
    rows, prototypes = outputs[0][0], outputs[1][0]
    if rows.shape[1] == 6 + COEFFICIENTS:
        rows = rows[rows[:, 4] > CONFIDENCE]
        found, coefficients = rows[:, :4], rows[:, 6:]
    else:
        rows = rows[:, rows[4] > CONFIDENCE].T
        found, half = rows[:, :2], rows[:, 2:4] / 2
        found = np.concatenate([found - half, found + half], axis=1)
        keep = boxes.nms(found, rows[:, 4], OVERLAP, 300)
        found, coefficients = found[keep], rows[keep, 5:]
    found = boxes.clip(found / np.float32(ratio), *size)
    masks = np.zeros((len(found), size[1], size[0]), bool)
    for mask, box, one in zip(masks, found, coefficients, strict=True):
        _paste(mask, box, one, prototypes, ratio / CELL)
    return Found(found, masks)


def _paste(mask, box, coefficients, prototypes, ratio):
    """Draw one instance into its mask: logits of the cells around its box, enlarged to pixels, above 0."""
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    spots, cells = [], []
    for axis in (0, 1):
        side = prototypes.shape[2 - axis]
        at = np.clip((np.arange(low[axis], high[axis]) + 0.5) * ratio - 0.5, 0, side - 1)
        first, last = int(at[0]), min(int(at[-1]) + 2, side)
        cells.append(slice(first, last))
        spots.append(weights(at - first, last - first))
    near = np.tensordot(coefficients, prototypes[:, cells[1], cells[0]], 1)
    mask[low[1] : high[1], low[0] : high[0]] = spots[1] @ near @ spots[0].T > 0


def planted(shape: tuple[int, ...]) -> list[np.ndarray]:
    """Both outputs, the first of this shape, of a network that sees the scene; one that needs no NMS gives no twins."""
    prototypes = np.zeros((1, COEFFICIENTS, INPUT // CELL, INPUT // CELL), np.float32)
    y, x = (np.mgrid[: INPUT // CELL, : INPUT // CELL].astype(np.float32) + 0.5) * CELL
    for layer, (x0, y0, x1, y1) in zip(prototypes[0], people(), strict=False):
        away = ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2
        layer[:] = np.maximum(4 - 4 * away, -8)
    coefficients = np.eye(PEOPLE, COEFFICIENTS, dtype=np.float32)
    rows = np.zeros(shape, np.float32)
    if shape[2] == 6 + COEFFICIENTS:
        rows[0, :PEOPLE] = np.concatenate([people(), np.tile(np.float32([0.9, 0]), (PEOPLE, 1)), coefficients], axis=1)
        return [rows, prototypes]
    where = np.random.default_rng(0).permutation(shape[2])
    for score, found, columns in ((0.9, people(), where[:PEOPLE]), (0.8, twins(), where[PEOPLE : 2 * PEOPLE])):
        centre, side = (found[:, :2] + found[:, 2:]) / 2, found[:, 2:] - found[:, :2]
        rows[0, :, columns] = np.concatenate([centre, side, np.full((PEOPLE, 1), score), coefficients], axis=1)
    return [rows, prototypes]
