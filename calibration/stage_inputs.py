"""What each stage really sees: the inputs a network is calibrated and checked on."""

from collections.abc import Iterator

import numpy as np

from edgemask.letterbox import letterbox
from edgemask.model import Model


def stage_inputs(model: Model, stage: str, pictures) -> Iterator[np.ndarray]:
    """The stage's inputs over RGB pictures, float32 NCHW, a batch for each time that it runs: normalised images for the trunk,
    for the heads the RoIs that the float pipeline produces (proposals and then detections for box, detections for mask)."""
    if stage == "trunk":
        for rgb in pictures:
            image, _ = letterbox(rgb, model.width, model.height, model.pad)
            yield nchw((image[None].astype(np.float32) - 127) / 128)
        return
    seen, engine = [], model.engines[stage]

    def record(values):
        seen.append(values)
        return engine(values)

    model.engines[stage] = record
    try:
        for rgb in pictures:
            model(rgb)
            while seen:
                yield nchw(seen.pop(0))
    finally:
        model.engines[stage] = engine


def nchw(values: np.ndarray) -> np.ndarray:
    """[N, H, W, C] as [N, C, H, W], contiguous."""
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
