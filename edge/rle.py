"""COCO's run-length encoding of masks, without pycocotools: bool arrays to compressed RLE and back.

Runs go down the columns, zeros first; the string packs five bits a character, and from the
third run on each is written as the difference to the run two before (cocodataset/cocoapi, maskApi.c).
"""

import numpy as np


def encode(crop: np.ndarray, size, left: int = 0, top: int = 0) -> dict:
    """COCO RLE of a mask that is `crop` at (left, top) and empty elsewhere.

    crop: bool [h, w]; size: frame (width, height). Returns {"size": [height, width], "counts": str}.
    """
    width, height = size
    columns = np.zeros((height, crop.shape[1] + 1), bool)
    columns[top : top + crop.shape[0], :-1] = crop
    flat = columns.T.reshape(-1)
    before = np.concatenate([[False], flat[:-1]])
    edges = np.flatnonzero(flat != before) + left * height
    total = width * height
    runs = np.diff(np.concatenate([[0], edges[edges < total], [total]]))
    return {"size": [height, width], "counts": _pack(runs)}


def decode(segmentation: dict) -> np.ndarray:
    """Mask of a COCO RLE: bool [height, width]."""
    height, width = segmentation["size"]
    runs = _unpack(segmentation["counts"])
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return flat.reshape(width, height).T


def _pack(runs) -> str:
    out = bytearray()
    values = [int(run) for run in runs]
    for index, value in enumerate(values):
        if index > 2:
            value -= values[index - 2]
        while True:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            out.append((bits | 32 if more else bits) + 48)
            if not more:
                break
    return out.decode("ascii")


def _unpack(counts: str) -> list[int]:
    runs, value, shift = [], 0, 0
    for character in counts.encode("ascii"):
        bits = character - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    return runs
