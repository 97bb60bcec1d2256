"""Body parts and surface coordinates: from a 28×28 grid over a box to pixels of the frame."""

import base64

import cv2
import numpy as np

from edgemask import bilinear, masks
from edgemask.joints import coverage, joints


def decode(parts: np.ndarray, uv: np.ndarray, box: np.ndarray, mask: np.ndarray, size) -> np.ndarray:
    """Part, U and V of each pixel of a mask: uint8 [h, w, 3], U and V in steps of 1/255, all 0 outside mask and body.

    parts: logits [S, S, 25] in any steps; uv: uint8 [S, S, 2, 24]; box: x0, y0, x1, y1 in frame pixels; mask: bool [h, w],
    `masks.paste` of that box; size: frame (width, height). As in DensePose (Güler et al. 2018): logits are sampled
    bilinearly with the grid's edge repeated, the largest is the pixel's part, and U and V are that part's.
    """
    columns, rows = (np.clip(one, 0, len(parts) - 1) for one in masks.positions(box, size, len(parts)))
    parts = parts.astype(np.float32)
    regions = [_Region(rows, columns, where) for where in np.moveaxis(_leading(parts), 2, 0)]
    planes = np.zeros((3, *mask.shape), np.uint8)
    labels, best = planes[0], np.full(mask.shape, -np.inf, np.float32)
    for part, region in enumerate(regions):
        values, held = region.sample(parts[..., part]), best[region.window]
        _fill(labels[region.window], np.full(values.shape, part, np.uint8), values > held)
        np.maximum(held, values, out=held)
    labels *= mask
    for part in np.flatnonzero(np.bincount(labels.reshape(-1), minlength=1)[1:]) + 1:
        window = regions[part].window
        chosen = labels[window] == part
        for plane, grid in zip(planes[1:], np.moveaxis(uv[..., part - 1], 2, 0), strict=True):
            _fill(plane[window], np.rint(regions[part].sample(grid)).astype(np.uint8), chosen)
    return np.ascontiguousarray(np.moveaxis(planes, 0, 2))


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


def _leading(parts):
    """Where each part can have the largest logit: bool [S − 1, S − 1, 25] of the squares between four cells.

    A bilinear mean lies between its corners: a part whose largest corner is below another's smallest is out.
    """
    rows = np.stack([parts[:-1], parts[1:]])
    corners = np.concatenate([rows[:, :, :-1], rows[:, :, 1:]])
    return corners.max(axis=0) >= corners.min(axis=0).max(axis=2, keepdims=True)


class _Region:
    """The smallest rectangle around some squares of the grid; `window` are its pixels."""

    def __init__(self, rows, columns, where):
        spans = [_span(where.any(axis=1 - axis)) for axis in (0, 1)]
        self.cells = tuple(slice(first, last + 1) for first, last in spans)
        self.window = tuple(
            slice(np.searchsorted(places, first), np.searchsorted(places, last, "right"))
            for places, (first, last) in zip((rows, columns), spans, strict=True)
        )
        self.down, self.across = (
            bilinear.weights(places[pixels] - first, last - first + 1)
            for places, pixels, (first, last) in zip((rows, columns), self.window, spans, strict=True)
        )

    def sample(self, plane):
        """The plane [S, S] at each pixel of the window, bilinearly: float32."""
        return self.down @ plane[self.cells].astype(np.float32) @ self.across.T


def _span(where):
    """(First, last) cell around the squares: the square k lies between the cells k and k + 1."""
    found = np.flatnonzero(where)
    return (found[0], found[-1] + 1) if len(found) else (1, 0)
