"""Boxes as float32 [N, 4] rows of x0, y0, x1, y1: coding, clipping, IoU and NMS."""

import numpy as np

NEAR = 0.8  # least IoU of a box with a kept one whose place it has a vote on
BLOCK = 16  # boxes whose IoU NMS takes at once: one by one numpy's calls cost more than the arithmetic, all at once the memory


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
    # Column by column: an axis of two is slow to go along.
    width, height = (
        np.maximum(np.minimum(box[..., end], boxes[..., end]) - np.maximum(box[..., start], boxes[..., start]), 0)
        for start, end in ((0, 2), (1, 3))
    )
    shared = width * height
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
        block = left[:BLOCK]
        over = iou(boxes[block][:, None], boxes[left]) > threshold
        gone = np.zeros(len(left), bool)
        for row, best in enumerate(block):
            if not gone[row]:
                kept.append(best)
                gone |= over[row]
        gone[: len(block)] = True
        left = left[~gone]
    return np.array(kept[:keep], np.int64)


def soft_nms(boxes, scores, class_ids, threshold: float, least: float, keep: int) -> tuple[np.ndarray, np.ndarray]:
    """Soft-NMS (Bodla et al. 2017) within each class: (indices of at most `keep` boxes, best first; the share of its score that
    each is left with, float32).

    Every better box whose IoU with it exceeds `threshold` leaves a box 1 − IoU of its score, for it may be somebody behind; one
    that is `NEAR` is nobody else and goes, and so does one that is left with less than `least`.
    """
    share, left, kept = np.ones(len(boxes), np.float32), np.arange(len(boxes)), []
    while len(left) and len(kept) < keep:
        best = left[np.argmax(scores[left] * share[left])]
        if scores[best] * share[best] < least:
            break
        kept.append(best)
        left = left[left != best]
        shared = iou(boxes[best], boxes[left]) * (class_ids[left] == class_ids[best])
        share[left] *= np.where(shared > threshold, 1 - shared, 1)
        left = left[shared < NEAR]
    return np.array(kept, np.int64), share[kept]


def vote(boxes: np.ndarray, scores: np.ndarray, class_ids: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Boxes `keep`, each moved to the mean of all boxes of its class near it, weighted by score: float32 [len(keep), 4].

    Box voting (Gidaris and Komodakis 2015): what NMS drops knows where the box is, too.
    """
    near = (iou(boxes[keep][:, None], boxes) >= NEAR) & (class_ids[keep][:, None] == class_ids)
    weights = (near * scores.astype(np.float64))[..., None]  # in float64, so that every processor's float32 is the same
    return ((weights * boxes).sum(axis=1) / weights.sum(axis=1)).astype(np.float32)
