"""Every stage's raw outputs for given inputs: run here and on a board, the answers must be the same bits.

    python -m edgemask.benchmarks.emulated.stages tflite inputs.npz outputs.npz
"""

import sys

import numpy as np

import edgemask
from edgemask.letterbox import letterbox
from edgemask.model import Model


def inputs(model: Model, rgb: np.ndarray) -> dict[str, np.ndarray]:
    """What each stage gets for a picture, as the model's engine and its own proposals and boxes make it."""
    image, ratio = letterbox(rgb, model.width, model.height, model.pad)
    trunk = model.engines["trunk"](image[None])
    proposals = model.proposals(trunk)
    boxes, _, _ = model.detect(trunk, proposals, (rgb.shape[1] * ratio, rgb.shape[0] * ratio))
    box, *others = list(model.engines)[1:]
    pooled = {stage: model.pool(trunk, rois, stage) for stage, rois in ((box, proposals), *((one, boxes) for one in others))}
    return {"trunk": image[None], **pooled}


def outputs(model: Model, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Raw outputs of all stages by name."""
    return {name: value for stage, values in given.items() for name, value in model.engines[stage](values).items()}


if __name__ == "__main__":
    engine, source, target = sys.argv[1:]
    np.savez(target, **outputs(edgemask.load(engine=engine, threads=1, dense=edgemask.Bundle().dense), dict(np.load(source))))
