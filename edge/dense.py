"""Body parts and surface coordinates: from a 28×28 grid over a box to pixels of the frame."""

import base64

import cv2
import numpy as np

from edgemask import bilinear, masks
from edgemask.joints import coverage, joints


def decode(parts: np.ndarray, uv: np.ndarray, box: np.ndarray, mask: np.ndarray, size) -> np.ndarray:
    """Part, U and V of each pixel of a mask: uint8 [h, w, 3], U and V in steps of 1/255, all 0 outside the mask.

    parts: logits [S, S, 24] in any steps; uv: uint8 [S, S, 2, 24]; box: x0, y0, x1, y1 in frame pixels; mask: bool [h, w],
    `masks.paste` of that box; size: frame (width, height). As in DensePose (Güler et al. 2018): logits are sampled
    bilinearly with the grid's edge repeated, the largest is the pixel's part, and U and V are that part's.
    """
    columns, rows = (np.clip(one, 0, len(parts) - 1) for one in masks.positions(box, size, len(parts)))
    down, across = bilinear.weights(rows, len(parts)), bilinear.weights(columns, len(parts)).T
    logits, surface = (np.ascontiguousarray(np.moveaxis(grid, -1, 0), np.float32) for grid in (parts, uv))
    logits -= logits.max()  # engines' steps differ by a constant, which must not round otherwise
    planes = np.zeros((3, *mask.shape), np.uint8)
    labels, best = planes[0], np.full(mask.shape, -np.inf, np.float32)
    regions = _regions(logits, rows, columns)
    for part, (y, x, i, j) in regions.items():
        values, held = down[y, i] @ logits[part - 1, i, j] @ across[j, x], best[y, x]
        _fill(labels[y, x], np.full(values.shape, part, np.uint8), values > held)
        np.maximum(held, values, out=held)
    labels *= mask
    for part in np.flatnonzero(np.bincount(labels.reshape(-1), minlength=1)[1:]) + 1:
        y, x, i, j = regions[part]
        chosen = labels[y, x] == part
        for plane, grid in zip(planes[1:], surface[part - 1, i, j].transpose(2, 0, 1), strict=True):
            _fill(plane[y, x], np.rint(down[y, i] @ grid @ across[j, x]).astype(np.uint8), chosen)
    return np.ascontiguousarray(planes.transpose(1, 2, 0))


def record(iuv: np.ndarray, left: int, top: int) -> dict:
    """What `decode` gave as JSON, at (left, top) in the frame: {"bbox": [x, y, width, height] in whole pixels, "joints" and
    "coverage" (`edgemask.joints`), "iuv_png": base64 of an 8-bit RGB PNG of that size whose red is the part, green U · 255 and
    blue V · 255}."""
    png = cv2.imencode(".png", iuv[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1] if iuv.size else b""
    return {
        "bbox": [left, top, iuv.shape[1], iuv.shape[0]], "joints": joints(iuv, left, top), "coverage": coverage(iuv),
        "iuv_png": base64.b64encode(png).decode("ascii"),
    }  # fmt: skip


def _fill(plane, values, where):
    # numpy's assignment under a mask takes twenty times as long.
    if values.size:
        cv2.copyTo(values, where.view(np.uint8), plane)


def _regions(logits, rows, columns) -> dict[int, tuple[slice, ...]]:
    """Where each part may have the largest logit: {part: pixels down and across, cells of the grid down and across}.

    logits: [24, S, S]. A bilinear mean lies between its corners: a part whose largest corner is not above another's smallest
    is out. Its region is the smallest rectangle around the squares between four cells where it is not.
    """
    pairs = np.stack([logits[:, :-1], logits[:, 1:]])
    corners = np.concatenate([pairs[..., :-1], pairs[..., 1:]])
    least = corners.min(axis=0)
    leading = corners.max(axis=0) > least.max(axis=0)
    np.put_along_axis(leading, least.argmax(axis=0)[None], True, axis=0)  # where all are alike there must be one
    ends = []
    for axis, places in ((2, rows), (1, columns)):
        there = leading.any(axis=axis)
        first, last = there.argmax(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1)
        ends.append((np.searchsorted(places, first), np.searchsorted(places, last, "right"), first, last + 1))
    spans = [np.stack(axis, axis=1).tolist() for axis in ends]
    return {
        int(part) + 1: tuple(slice(*spans[axis][part][side : side + 2]) for side in (0, 2) for axis in (0, 1))
        for part in np.flatnonzero(leading.any(axis=(1, 2)))
    }
