"""The scene that every network is made to see: ten people in two rows, and the picture they are said to be in.

Networks without trained weights find nothing, or thousands of things; each computes all it has to, and then its answers
are replaced by what it would say of this scene. Each person has a weaker twin, 16 pixels of the input below, that NMS must
remove.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from edgemask import boxes, pictures
from edgemask.benchmarks.peers import PeerError
from edgemask.bundle import SHIPPED

INPUT = 320
FRAME = 640, 480
RATIO = INPUT / max(FRAME)
STRIDE = 16
PEOPLE = 10


@dataclass(frozen=True)
class Found:
    """What a segmenter leaves: boxes float32 [N, 4] in the frame's pixels, and full-size masks bool [N, height, width]."""

    boxes: np.ndarray
    masks: np.ndarray


def people() -> np.ndarray:
    """Boxes of the ten, float32 [10, 4] in the input's pixels: edgemask's own anchors of size 64 and ratio 2."""
    y, x = np.mgrid[3:11:7, 2:15:3]
    centre = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * STRIDE
    half = np.array([64 / np.sqrt(2), 64 * np.sqrt(2)]) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def twins() -> np.ndarray:
    """Boxes of the twins, in the order of `people`; IoU with them is just below 0.7."""
    return people() + np.float32([0, STRIDE, 0, STRIDE])


def logits(side: int) -> np.ndarray:
    """A person's mask: the logits of an ellipse that touches its box, float32 [side, side] over the box."""
    across = (np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1
    return 4 - 4 * (across[:, None] ** 2 + across**2)


def frame() -> np.ndarray:
    """The frame, uint8 [480, 640, 3] RGB."""
    return cv2.resize(pictures.read(SHIPPED.parent / "astronaut.jpg"), FRAME)


def check(found: Found) -> dict:
    """{"instances": 10, "box_iou": worst, "mask_iou": worst} of what was found; raises PeerError if it is not the scene."""
    wanted = people() / RATIO
    if len(found.boxes) != PEOPLE or found.masks.shape != (PEOPLE, *FRAME[::-1]):
        raise PeerError(f"gave {len(found.boxes)} instances with masks {found.masks.shape} instead of the scene's {PEOPLE}")
    overlaps = np.stack([boxes.iou(box, found.boxes) for box in wanted])
    order = overlaps.argmax(axis=1)
    worst = {"box_iou": float(overlaps.max(axis=1).min()),
             "mask_iou": min(_mask_iou(*pair) for pair in zip(wanted, found.masks[order], strict=True))}  # fmt: skip
    if len(set(order)) != PEOPLE or worst["box_iou"] < 0.95 or worst["mask_iou"] < 0.9:
        raise PeerError(f"gave other instances than the scene's: worst box IoU {worst['box_iou']:.2f}, "
                        f"mask IoU {worst['mask_iou']:.2f}")  # fmt: skip
    return {"instances": PEOPLE, **{name: round(value, 3) for name, value in worst.items()}}


def _mask_iou(box, mask):
    y, x = np.mgrid[: FRAME[1], : FRAME[0]] + 0.5
    side, centre = (box[2:] - box[:2]) / 2, (box[2:] + box[:2]) / 2
    ellipse = ((x - centre[0]) / side[0]) ** 2 + ((y - centre[1]) / side[1]) ** 2 <= 1
    return float((ellipse & mask).sum() / (ellipse | mask).sum())
