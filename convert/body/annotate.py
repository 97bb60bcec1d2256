"""Drawn scenes as COCO annotations and IUV pictures."""

import cv2
import numpy as np

from edgemask import rle
from edgemask.convert.body.draw import Drawn
from edgemask.convert.body.scene import Scene

KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist",
    "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# How far a joint lies under the skin and the clothes on it, metres for a grown-up: what is nearer to the camera by more hides it.
UNDER = np.array([0.05, 0.05, 0.05, 0.06, 0.06, 0.12, 0.12, 0.09, 0.09, 0.07, 0.07, 0.17, 0.17, 0.12, 0.12, 0.09, 0.09])


def iuv(drawn: Drawn) -> bytes:
    """Part, round(U·255), round(V·255) as an 8-bit PNG file in the order R, G, B."""
    packed = np.dstack([drawn.part, np.rint(drawn.u * 255), np.rint(drawn.v * 255)]).astype(np.uint8)
    return cv2.imencode(".png", packed[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])[1].tobytes()


def keypoints(scene: Scene, drawn: Drawn, number: int) -> np.ndarray:
    """COCO's 17 of a body: float [17, 3] of x, y and 2 (seen), 1 (hidden by somebody, something or the body itself), 0
    (outside; x and y are 0 too)."""
    body, seen = scene.bodies[number], scene.camera
    places, depth = seen.project(body.keypoints)
    inside = (depth > 0) & (places >= 0).all(1) & (places < [seen.width, seen.height]).all(1)
    column, row = np.where(inside[:, None], places, 0).astype(int).T
    before, who = drawn.depth[row, column], drawn.who[row, column]
    under = UNDER * np.clip(np.ptp(body.vertices, axis=0).max() / 1.7, 0.5, 1.2)
    hidden = (before > 0) & (before < depth - np.where(who == number + 1, under, 0.5 * under))
    value = np.where(inside, np.where(hidden, 1, 2), 0)
    return np.column_stack([np.where(inside[:, None], places.round(1), 0), value])


def annotation(scene: Scene, drawn: Drawn, number: int) -> dict:
    """One body's annotation without its ids: box, mask of what is seen of it, keypoints, and pose family for who wants to
    know."""
    mask = drawn.who == number + 1
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    x, y, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    points = keypoints(scene, drawn, number)
    return {
        "category_id": 1, "iscrowd": 0, "bbox": [x, y, right - x, bottom - y], "area": int(mask.sum()),
        "segmentation": rle.encode(mask[y:bottom, x:right], mask.shape[::-1], x, y),
        "keypoints": [float(value) if place % 3 < 2 else int(value) for place, value in enumerate(points.reshape(-1))],
        "num_keypoints": int((points[:, 2] > 0).sum()), "pose": scene.bodies[number].person.family,
    }  # fmt: skip
