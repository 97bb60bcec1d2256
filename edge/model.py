"""The two-stage pipeline: trunk, proposals, box, mask and dense heads, with numpy between the networks."""

import time
from contextlib import contextmanager

import numpy as np

from edgemask import boxes, device
from edgemask.bundle import SHIPPED, Bundle
from edgemask.detections import Detections
from edgemask.engines import choose, open_engine
from edgemask.errors import BundleError, OptionError
from edgemask.letterbox import letterbox
from edgemask.manifest import DENSE
from edgemask.parts import COUNT
from edgemask.proposals import Proposer
from edgemask.roi_align import canonical, roi_align


class Model:
    """A bundle ready to run.

    >>> model = Model(Bundle("person-320.edgemask"))
    >>> people = model(rgb)

    engine: `auto`, `tflite` or `onnx`; threads: per network, all cores but one when None; dense: body parts, too.
    """

    def __init__(self, bundle: Bundle, engine: str = "auto", threads: int | None = None, dense: bool = False):
        self.bundle = bundle
        self.engine = choose(bundle, engine)
        threads = device.default_threads() if threads is None else threads
        if threads not in range(1, 257):
            raise OptionError(f"threads must be a whole number from 1 to 256, not {threads}")
        self.engines = {stage: open_engine(bundle, stage, self.engine, threads) for stage in bundle.stages(dense)}
        self.tensors = {}
        for stage in self.engines:
            described = {info.name: info for info in bundle.tensors(stage, self.engine)[1]}
            if set(described) != set(self.engines[stage].outputs):
                raise BundleError(f"{bundle.path}: the network of stage {stage} has not the outputs its manifest describes")
            self.tensors.update(described)
        manifest = bundle.manifest
        self.width, self.height, self.pad = (manifest["input"][key] for key in ("width", "height", "pad"))
        self.roi, self.limits, self.coder = manifest["roi"], manifest["detections"], manifest["box_coder"]
        self.proposer = Proposer.of(manifest)
        self.score = self.limits["score"]  # lowest of what is answered; all from the bundle's on have a vote

    def __call__(self, rgb: np.ndarray, content: np.ndarray | None = None) -> Detections:
        """Detections in one frame, uint8 [height, width, 3] RGB of any size, in its pixels.

        content: `Frame.content`, the frame already resized to `letterbox.content_size`; then only its padding is
        left to do. Raises ValueError for any other shape.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
            raise ValueError(f"a frame is uint8 [height, width, 3] RGB, not {rgb.dtype} {list(rgb.shape)}")
        clock, size = Clock(), (rgb.shape[1], rgb.shape[0])
        with clock("letterbox"):
            image, ratio = letterbox(rgb, self.width, self.height, self.pad, content)
        with clock("trunk"):
            trunk = self.engines["trunk"](image[None])
        with clock("proposals"):
            proposals = self.proposals(trunk)
        with clock("box"):
            content = min(size[0] * ratio, self.width), min(size[1] * ratio, self.height)
            found, scores, class_ids = self.detect(trunk, proposals, content)
        with clock("mask"):
            grids = self.mask_grids(trunk, found, class_ids)
        parts = uv = None
        if DENSE in self.engines:
            with clock("dense"):
                parts, uv = self.dense_grids(trunk, found)
        found = boxes.clip(found / np.float32(ratio), *size)
        return Detections(found, scores, class_ids, grids, size, self.bundle.classes, clock.stop(), parts=parts, uv=uv)

    def proposals(self, trunk: dict) -> np.ndarray:
        """Proposals from the trunk's outputs, best first: float32 [N, 4] in input pixels."""
        raw = {
            kind: [(trunk[f"{kind}_{level}"], self.tensors[f"{kind}_{level}"]) for level in range(len(self.proposer.anchors))]
            for kind in ("objectness", "deltas")
        }
        return self.proposer(raw["objectness"], raw["deltas"])

    def detect(self, trunk: dict, proposals: np.ndarray, content) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes [N, 4] in input pixels, refined, after soft-NMS and voting, scores [N] and class ids [N], best first.

        content: (width, height) of the frame inside the input; boxes are cut there. The few that are left the box head looks at
        again, and the mean of both looks is the answer (iterative localisation, Gidaris and Komodakis 2015).
        """
        if not len(proposals):
            return np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64)
        probabilities, refined = self._look(trunk, proposals, content)
        real = boxes.area(refined) > 0
        rows, class_ids = np.nonzero((probabilities >= self.limits["score"]) & real[:, None])
        scores, refined = probabilities[rows, class_ids], refined[rows]
        keep, share = boxes.soft_nms(refined, scores, class_ids, self.limits["nms"], self.score, self.limits["keep"])
        found, scores, class_ids = boxes.vote(refined, scores, class_ids, keep), scores[keep], class_ids[keep]
        if len(keep):
            probabilities, refined = self._look(trunk, found, content)
            scores = share * (scores + probabilities[np.arange(len(keep)), class_ids]) / 2
            found = np.where(boxes.area(refined)[:, None] > 0, (found + refined) / 2, found)
        order = boxes.descending(scores)
        order = order[scores[order] >= self.score]
        return found[order], scores[order], class_ids[order]

    def _look(self, trunk, proposals, content):
        """What the box head says of boxes: (probability of each class [N, K], where they should be [N, 4])."""
        raw = self.engines["box"](self.pool(trunk, proposals, "box"))
        refined = boxes.decode(proposals, self.dequantise(raw, "box_deltas"), self.coder["box"], self.coder["clamp"])
        return softmax(self.dequantise(raw, "box_scores"))[:, 1:], boxes.clip(refined, *content)

    def mask_grids(self, trunk: dict, found: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
        """Mask probabilities over each box, float32 [N, 28, 28]; the mask head runs only when there are boxes."""
        if not len(found):
            return np.empty((0, 2 * self.roi["mask"], 2 * self.roi["mask"]), np.float32)
        raw = self.engines["mask"](self.pool(trunk, found, "mask"))["mask_logits"]
        chosen = np.take_along_axis(raw, class_ids[:, None, None, None], axis=3)[..., 0]
        return 1 / (1 + np.exp(-self.tensors["mask_logits"].dequantise(chosen)))

    def dense_grids(self, trunk: dict, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Part logits over each box [N, 28, 28, 24] in the network's own steps, of which only the order counts, and U and V
        of each part, uint8 [N, 28, 28, 2, 24] in steps of 1/255."""
        side = 2 * self.roi[DENSE]
        if not len(found):
            return np.empty((0, side, side, COUNT), np.float32), np.empty((0, side, side, 2, COUNT), np.uint8)
        raw = self.engines[DENSE](self.pool(trunk, found, DENSE))
        uv = np.stack([self.dequantise(raw, name) for name in ("dense_u", "dense_v")], axis=3)
        return raw["dense_parts"], np.rint(255 * np.clip(uv, 0, 1)).astype(np.uint8)

    def pool(self, trunk: dict, rois: np.ndarray, stage: str) -> np.ndarray:
        """RoIAligned features [N, S, S, C] of boxes in input pixels, as a stage ("box", "mask", "dense") takes them."""
        levels = [trunk[name] for name in self.roi["levels"]]
        size = self.width, self.height
        return roi_align(levels, rois, size, self.roi[stage], self.roi["samples"], canonical(self.roi, stage))

    def dequantise(self, outputs: dict, name: str) -> np.ndarray:
        """One output by name, as float32."""
        return self.tensors[name].dequantise(outputs[name])


def load(bundle=SHIPPED, engine: str = "auto", threads: int | None = None, dense: bool = False) -> Model:
    """Open a bundle (the shipped person model when none is named) and make it ready to run.

    >>> people = edgemask.load()(rgb)

    dense: find body parts, too, with a bundle that has the head for it.

    Raises BundleError, MissingLibrary or OptionError.
    """
    return Model(Bundle(bundle), engine, threads, dense)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True), dtype=np.float64)
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


class Clock:
    """Milliseconds per named part, and in total."""

    def __init__(self):
        self.start, self.ms = time.perf_counter(), {}

    @contextmanager
    def __call__(self, part: str):
        begin = time.perf_counter()
        yield
        self.ms[part] = (time.perf_counter() - begin) * 1e3

    def stop(self) -> dict[str, float]:
        """The parts and their total so far."""
        return {**self.ms, "total": (time.perf_counter() - self.start) * 1e3}
