"""edgemask's side: the shipped model, whose every network runs and whose answers are then the scene's."""

import numpy as np

import edgemask
from edgemask.benchmarks.peers.scene import PEOPLE, STRIDE, Found, logits, people, twins
from edgemask.benchmarks.peers.yolo import CONFIDENCE
from edgemask.bundle import TensorInfo
from edgemask.engines.fake import FakeEngine
from edgemask.masks import CUT

ENGINES = {"onnxruntime": "onnx", "ai_edge_litert": "tflite"}


class Planted(FakeEngine):
    """An engine that runs its network, and answers with it but for the outputs given."""

    def __init__(self, network, **outputs: np.ndarray):
        super().__init__(**outputs)
        self.network = network

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """The network's outputs, those given in their place."""
        return {**self.network(values), **super().__call__(values)}

    def __str__(self):
        return str(self.network)


def segmenter(runtime: str, threads: int):
    """(From a frame to what is found in it, what runs it); runtime: one of ENGINES. Raises what edgemask.load does."""
    model = edgemask.load(engine=ENGINES[runtime], threads=threads)
    plant(model)

    def segment(rgb: np.ndarray) -> Found:
        found = model(rgb)
        return Found(found.boxes, found.masks())

    return segment, str(model.engines["trunk"])


def plant(model: edgemask.Model):
    """Make the shipped model see the scene: proposals at the people and their twins, then those, then their masks.

    So that the twins come as far as the last NMS, the first one lets them pass; of what soft-NMS leaves of them nothing reaches
    the score that the peers ask for.
    """
    model.proposer.limits["nms"], model.score = 0.7, CONFIDENCE
    answers = {
        "trunk": {info.name: _rpn(info, model) for info in _outputs(model, "trunk") if info.name[:2] in ("ob", "de")},
        "box": {info.name: _box(info, model.proposer.limits["keep"]) for info in _outputs(model, "box")},
        "mask": {info.name: _mask(info) for info in _outputs(model, "mask")},
    }
    model.engines = {stage: Planted(network, **answers[stage]) for stage, network in model.engines.items()}


def _outputs(model, stage):
    return model.bundle.tensors(stage, model.engine)[1]


def _rpn(info: TensorInfo, model):
    if info.name.startswith("deltas"):
        return np.full(info.shape, info.zero_point, info.dtype)
    limits, level = np.iinfo(info.dtype), int(info.name[-1])
    # Whatever else there is, RPN ranks below the people: it is NMS's other work.
    values = np.random.default_rng(level).integers(limits.min, limits.max - 27, info.shape).astype(info.dtype)
    if model.proposer.anchors[level].shape == (20 * 20 * 3, 4):
        for rank, found in enumerate((people(), twins())):
            column, row = ((found[:, :2] + found[:, 2:]) / 2 // STRIDE).astype(int).T
            values[0, row, column, 2] = limits.max - rank
    return values


def _box(info: TensorInfo, keep):
    if info.name == "box_deltas":
        return np.full((keep, 4), info.zero_point, info.dtype)
    limits = np.iinfo(info.dtype)
    values = np.tile(np.array([limits.max, limits.min], info.dtype), (keep, 1))
    values[:PEOPLE] = limits.min, limits.max
    values[PEOPLE : 2 * PEOPLE] = info.zero_point, info.zero_point + round(1 / info.scale)
    return values


def _mask(info: TensorInfo):
    limits = np.iinfo(info.dtype)
    edge = np.log(CUT / (1 - CUT))  # of the ellipse, whose logit is 0 there, and masks are cut elsewhere
    raw = np.clip(np.rint((logits(28) + edge) / info.scale) + info.zero_point, limits.min, limits.max).astype(info.dtype)
    return np.broadcast_to(raw[None, :, :, None], (PEOPLE, 28, 28, 1))
