"""Boxes as float32 [N, 4] rows of x0, y0, x1, y1: coding, clipping, IoU and NMS."""

import numpy as np

NEAR = 0.8  # least IoU of a box with a kept one whose place it has a vote on


def decode(reference: np.ndarray, deltas: np.ndarray, coder, clamp: float) -> np.ndarray:
    """Apply box deltas to reference boxes (Ren et al. 2015, eq. 2).

    reference, deltas: [N, 4]; coder: the four weights the deltas were multiplied by;
    clamp: largest log scale. Returns float32 [N, 4].
    """
    size = reference[:, 2:] - reference[:, :2]
    centre = reference[:, :2] + size / 2
    deltas = deltas / np.asarray(coder, np.float32)
    centre = centre + deltas[:, :2] * size
    # float64's last bit, which differs between processors, is lost in float32.
    growth = np.exp(np.minimum(deltas[:, 2:], clamp), dtype=np.float64).astype(np.float32)
    half = growth * size / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def clip(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Boxes cut at [0, width] × [0, height]."""
    return np.clip(boxes, 0, np.array([width, height, width, height], np.float32))


def iou(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box [4] with boxes [N, 4], or of any shapes that broadcast; 0 where both are empty."""
    low = np.maximum(box[..., :2], boxes[..., :2])
    high = np.minimum(box[..., 2:], boxes[..., 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    union = area(box) + area(boxes) - shared
    return shared / np.maximum(union, 1e-9)


def area(boxes: np.ndarray) -> np.ndarray:
    """Area of each box in square pixels."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def descending(scores: np.ndarray) -> np.ndarray:
    """Indices from the highest score to the lowest, ties in the order given (the same on every machine)."""
    return np.argsort(-scores if scores.dtype.kind == "f" else ~scores, kind="stable")


def nms(boxes: np.ndarray, scores: np.ndarray, threshold: float, keep: int) -> np.ndarray:
    """Greedy non-maximum suppression: indices of at most `keep` boxes, best first.

    A box goes when its IoU with a kept, better one exceeds `threshold`.
    """
    left, kept = descending(scores), []
    while len(left) and len(kept) < keep:
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[iou(boxes[best], boxes[left]) <= threshold]
    return np.array(kept, np.int64)


def nms_per_class(boxes, scores, class_ids, threshold: float, keep: int) -> np.ndarray:
    """NMS within each class: boxes of different classes are moved so far apart that they never meet."""
    if not len(boxes):
        return np.empty(0, np.int64)
    apart = (boxes.max() + 1) * class_ids[:, None].astype(np.float32)
    return nms(boxes + apart, scores, threshold, keep)


def vote(boxes: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Boxes `keep`, each moved to the mean of all boxes of its class near it, weighted by score: float32 [len(keep), 4].

    Box voting (Gidaris and Komodakis 2015): what NMS drops knows where the box is, too.
    """
    near = (iou(boxes[keep][:, None], boxes) >= NEAR) & (class_ids[keep][:, None] == class_ids)
    weights = (near * scores.astype(np.float64))[..., None]  # in float64, so that every processor's float32 is the same
    return ((weights * boxes).sum(axis=1) / weights.sum(axis=1)).astype(np.float32)
