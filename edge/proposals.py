"""Anchors, and the RPN's outputs turned into proposals."""

from dataclasses import dataclass

import numpy as np

from edgemask import boxes


def anchors(width: int, height: int, stride: int, size: int, ratios) -> np.ndarray:
    """Anchors of one level in input pixels, float32 [cells · ratios, 4].

    Cells row by row, a cell's anchors together; ratio is height / width at area size².
    """
    ratios = np.sqrt(np.asarray(ratios, np.float32))
    half = np.stack([size / ratios, size * ratios], axis=1) / 2
    y, x = np.mgrid[0 : height // stride, 0 : width // stride].astype(np.float32)
    centre = ((np.stack([x, y], axis=-1) + 0.5) * stride).reshape(-1, 1, 2)
    return np.concatenate([centre - half, centre + half], axis=-1).reshape(-1, 4).astype(np.float32)


@dataclass(frozen=True)
class Proposer:
    """Picks proposals from the RPN's outputs; `limits` is the bundle's "proposals" section."""

    width: int
    height: int
    anchors: list[np.ndarray]
    limits: dict
    coder: tuple
    clamp: float

    @classmethod
    def of(cls, manifest: dict) -> "Proposer":
        """The proposer a bundle's manifest describes."""
        width, height = manifest["input"]["width"], manifest["input"]["height"]
        layout = manifest["anchors"]
        levels = [
            anchors(width, height, stride, size, layout["ratios"])
            for stride, size in zip(layout["strides"], layout["sizes"], strict=True)
        ]
        coder = manifest["box_coder"]
        return cls(width, height, levels, manifest["proposals"], coder["rpn"], coder["clamp"])

    def __call__(self, objectness: list, deltas: list) -> np.ndarray:
        """Best proposals first, float32 [≤ keep, 4] in input pixels.

        objectness, deltas: per level a pair (raw output of any shape, TensorInfo to dequantise it
        with); raw values are ranked as they are, only the winners become floats.
        """
        found, scores = [], []
        for level, (score, score_info), (delta, delta_info) in zip(self.anchors, objectness, deltas, strict=True):
            best = boxes.descending(score.reshape(-1))[: self.limits["per_level"]]
            scores.append(score_info.dequantise(score.reshape(-1)[best]))
            chosen = delta_info.dequantise(delta.reshape(-1, 4)[best])
            found.append(boxes.decode(level[best], chosen, self.coder, self.clamp))
        found = boxes.clip(np.concatenate(found), self.width, self.height)
        scores = np.concatenate(scores)
        large = np.flatnonzero((found[:, 2:] - found[:, :2]).min(axis=1) > self.limits["min_side"])
        large = large[boxes.descending(scores[large])[: self.limits["nms_input"]]]
        return found[large[boxes.nms(found[large], scores[large], self.limits["nms"], self.limits["keep"])]]
