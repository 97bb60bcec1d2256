"""What a fit is held against: a person's keypoints and mask, in lengths of its box's longer side around its middle."""

from dataclasses import dataclass, fields

import cv2
import numpy as np

from edgemask.convert.body import weak

FOCAL = 1.2  # of the picture's longer side, 45° across: a common lens, for pictures that do not say
REACH, CELLS = 0.8, 96  # the field around the box's middle, in boxes, and its cells
OUTLINE = 200  # points of the mask
HIDDEN = 0.3  # what a keypoint behind something weighs
# Where each bone is in sight: keypoints of which all have to be; the first word that a bone's name begins with.
SIGHT = {
    "upperleg": (weak.HIP, weak.KNEE), "lowerleg": (weak.KNEE, weak.ANKLE), "foot": (weak.ANKLE,), "toe": (weak.ANKLE,),
    "upperarm": (weak.SHOULDER, weak.ELBOW), "lowerarm": (weak.ELBOW, weak.WRIST), "wrist": (weak.WRIST,),
    "finger": (weak.WRIST,), "metacarpal": (weak.WRIST,), "pelvis": (weak.HIP,), "spine05": (weak.HIP,),
    "spine04": (weak.HIP,), "root": (weak.HIP,), "clavicle": (weak.SHOULDER,), "shoulder": (weak.SHOULDER,),
}  # fmt: skip


@dataclass(frozen=True)
class Person:
    """keypoints float [17, 3] and mask bool [H, W] in the picture's pixels; box x, y, width, height."""

    keypoints: np.ndarray
    mask: np.ndarray
    box: tuple[float, float, float, float]

    @property
    def size(self) -> float:
        """The box's longer side in pixels: a fit's unit of length."""
        return max(self.box[2:])

    @property
    def middle(self) -> np.ndarray:
        return np.array([self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2])

    @property
    def focal(self) -> float:
        return FOCAL * max(self.mask.shape)

    def normal(self, pixels):
        """Pixels [..., 2] in boxes around the middle."""
        return (np.asarray(pixels) - self.middle) / self.size


@dataclass
class Targets:
    """Of B people, float32 tensors: keypoints [B, 17, 2] and their weights [B, 17]; field [B, 1, CELLS, CELLS], how far off
    the mask a place is; outline [B, OUTLINE, 2], points of the mask; sight [B, POINTS], what a point of skin off the mask costs;
    frame [B, 4], the picture's low and high corner; focal [B]; principal [B, 2]; stature [B], how tall it would stand."""

    keypoints: object
    weights: object
    field: object
    outline: object
    sight: object
    frame: object
    focal: object
    principal: object
    stature: object

    @classmethod
    def of(cls, people: list[Person], bones: list[str]) -> "Targets":
        """bones: the name of each point's bone."""
        import torch

        rows = [_target(one, bones) for one in people]
        return cls(*(torch.tensor(np.stack(column), dtype=torch.float32) for column in zip(*rows)))

    def __getitem__(self, rows) -> "Targets":
        return Targets(*(getattr(self, one.name)[rows] for one in fields(self)))


def _target(person, bones):
    height, width = person.mask.shape
    seen = person.keypoints[:, 2]
    frame = person.normal([[0, 0], [width, height]])
    return (person.normal(person.keypoints[:, :2] + 0.5), np.select([seen == 2, seen == 1], [1, HIDDEN], 0), _field(person)[None],
            _outline(person), _sight(seen, bones), frame.reshape(-1), person.focal / person.size,
            person.normal([width / 2, height / 2]), max(weak.stature(person.keypoints) / person.size, 0.5))  # fmt: skip


def _field(person):
    at = ((np.arange(CELLS) + 0.5) / CELLS * 2 - 1) * REACH * person.size
    rows, columns = (np.floor(at + one).astype(int) for one in person.middle[::-1])
    inside = [(one >= 0) & (one < size) for one, size in zip((rows, columns), person.mask.shape)]
    found = np.zeros((CELLS, CELLS), np.uint8)
    found[np.ix_(*inside)] = person.mask[np.ix_(rows[inside[0]], columns[inside[1]])]
    return cv2.distanceTransform(1 - found, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * (2 * REACH / CELLS)


def _outline(person):
    """Points of the mask: half along its rim, half within, evenly."""
    mask = person.mask.astype(np.uint8)
    rim = np.argwhere(mask & (cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=0) == 0))
    rim = rim[np.argsort(np.arctan2(*(rim - rim.mean(axis=0)).T), kind="stable")]
    within = np.argwhere(mask)
    points = np.concatenate([one[np.linspace(0, len(one) - 1, OUTLINE // 2).astype(int)] for one in (rim, within)])
    return person.normal(points[:, ::-1] + 0.5)


def _sight(seen, bones):
    """1 where the bone's keypoints are all in sight, less where one is hidden or missing."""
    values = {}
    for bone in set(bones):
        joints = next((joints for name, joints in SIGHT.items() if bone.startswith(name)), None)
        side = int(bone.endswith(".R"))
        if joints is None:
            values[bone] = 1.0
        elif bone[-2:] in (".L", ".R"):
            values[bone] = float(all(seen[one + side] for one in joints))
        else:
            values[bone] = float(any(seen[one + one_side] for one in joints for one_side in (0, 1)))
    return np.array([values[bone] for bone in bones])
