"""Scenes with exactly N people: every network does all its work, and what comes of it is known beforehand."""

import cv2
import numpy as np

from edgemask import boxes, pictures
from edgemask.benchmarks.latency import FRAME
from edgemask.bundle import SHIPPED, TensorInfo
from edgemask.detections import Detections
from edgemask.engines import Engine
from edgemask.errors import OptionError
from edgemask.letterbox import content_size, letterbox
from edgemask.manifest import DENSE
from edgemask.model import Model

LEVEL = 1  # of the pyramid, whose anchors become the proposals


def photograph() -> np.ndarray:
    """What every scene looks like: uint8 [480, 640, 3] RGB."""
    return cv2.resize(pictures.read(SHIPPED.parent / "astronaut.jpg"), FRAME, interpolation=cv2.INTER_AREA)


class Told:
    """An engine that runs as ever, and some of whose outputs are then replaced by `outputs` of a batch's size."""

    def __init__(self, engine: Engine):
        self.engine, self.outputs = engine, lambda count: {}

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """The network's outputs but for those that are told."""
        return {**self.engine(values), **self.outputs(len(values))}

    def __str__(self):
        return str(self.engine)


class Scenes:
    """A 640×480 photograph in which a model is made to propose as many boxes as it may, and then to find N people.

    >>> scenes = Scenes(edgemask.load(threads=1))
    >>> scenes.tell(10)
    >>> len(scenes.model(scenes.rgb))
    10

    On one level the trunk's objectness is replaced so that anchors that hardly overlap come first, the box head's
    scores so that N of them are people, the mask head's logits so that each is round, and the dense head's so that each has
    all 24 parts. All networks run as ever.
    """

    def __init__(self, model: Model):
        self.model = model
        self.rgb = photograph()
        model.engines = self.told = {stage: Told(engine) for stage, engine in model.engines.items()}
        image, _ = letterbox(self.rgb, model.width, model.height, model.pad)
        content = content_size(FRAME, (model.width, model.height))
        self._propose(content)
        self.proposals = boxes.clip(model.proposals(self.told["trunk"](image[None])), *content)
        order = -np.arange(len(self.proposals), dtype=np.float32)
        self.apart = boxes.nms(self.proposals, order, model.limits["nms"], model.limits["keep"])

    def tell(self, people: int):
        """Have so many people found from now on; raises OptionError where the model has no room for them."""
        if people > len(self.apart):
            raise OptionError(f"{self.model.bundle.path} has room for {len(self.apart)} people in a frame, not for {people}")
        # The box head is asked of all proposals, and then of the people again.
        first, second = self._scored(len(self.proposals), self.apart[:people]), self._scored(people, slice(None))
        self.told["box"].outputs = lambda count: first if count == len(self.proposals) else second
        grids = {"mask_logits": _round(self.model.tensors["mask_logits"], people)}
        self.told["mask"].outputs = lambda count: grids
        if DENSE in self.told:
            names = ("dense_parts", "dense_u", "dense_v")
            parts = {name: _tiled(self.model.tensors[name], people) for name in names}
            self.told[DENSE].outputs = lambda count: parts

    def look(self) -> Detections:
        """One frame, from its pixels to what is found."""
        return self.model(self.rgb)

    def _scored(self, count, people):
        info = self.model.tensors["box_scores"]
        low, high = _ends(info)
        scores = np.full((count, info.shape[1]), low, info.dtype)
        scores[:, 0] = high
        scores[people, :2] = low, high
        return {"box_scores": scores, "box_deltas": _nothing(self.model.tensors["box_deltas"], count)}

    def _propose(self, content):
        info, deltas = self.model.tensors[f"objectness_{LEVEL}"], self.model.tensors[f"deltas_{LEVEL}"]
        low, high = _ends(info)
        scores = np.full(info.shape, low, info.dtype)
        stride = self.model.width // info.shape[2]
        # Every other cell's square anchor: neighbours have an IoU of a third, below any threshold of NMS.
        scores[:, : content[1] // stride : 2, : content[0] // stride : 2, info.shape[3] // 2] = high
        proposing = {info.name: scores, deltas.name: _nothing(deltas, 1)}
        self.told["trunk"].outputs = lambda count: proposing


def _ends(info: TensorInfo):
    return (-8, 8) if info.scale is None else (np.iinfo(info.dtype).min, np.iinfo(info.dtype).max)


def _round(info, count):
    low, high = _ends(info)
    side = info.shape[1]
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    grid = np.where(x**2 + y**2 < (0.4 * side) ** 2, high, low).astype(info.dtype)
    return np.repeat(np.repeat(grid[None, :, :, None], count, axis=0), info.shape[3], axis=3)


def _tiled(info, count):
    """Parts 1 to 24 in six rows of four, U and V from 0 to 1 across and down all of them."""
    low, high = _ends(info)
    side, channels = info.shape[1], info.shape[3]
    y, x = np.mgrid[:side, :side] / side
    if info.name == "dense_parts":
        tile = 1 + (6 * y).astype(int) * 4 + (4 * x).astype(int)
        grid = np.where(tile[..., None] == np.arange(channels), high, low)
    else:
        grid = np.repeat((low + (high - low) * (x if info.name == "dense_u" else y))[..., None], channels, axis=2)
    return np.repeat(grid.astype(info.dtype)[None], count, axis=0)


def _nothing(info, count):
    return np.full((count, *info.shape[1:]), info.zero_point, info.dtype)
