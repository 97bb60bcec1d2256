"""COCO's keypoints, and what they say of the body parts that are seen."""

import numpy as np

from edgemask.parts import MIRROR, group

NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip

# On the left: a joint lies between two limbs, and a limb's front and back meet there. The nose is on both halves of the head.
_LEFT = {
    "left_eye": group("left_head"),
    "left_ear": group("left_head"),
    "left_shoulder": group("torso") | group("left_upper_arm"),
    "left_elbow": group("left_upper_arm") | group("left_lower_arm"),
    "left_wrist": group("left_lower_arm") | group("left_hand"),
    "left_hip": group("torso") | group("left_upper_leg"),
    "left_knee": group("left_upper_leg") | group("left_lower_leg"),
    "left_ankle": group("left_lower_leg") | group("left_foot"),
}


def mirrored(parts: frozenset[int]) -> frozenset[int]:
    """The same parts of the other side."""
    return frozenset(MIRROR[part] for part in parts)


ALLOWED = {"nose": group("head"), **_LEFT, **{name.replace("left", "right"): mirrored(parts) for name, parts in _LEFT.items()}}
(BACK,), (FRONT,) = group("torso_back"), group("torso_front")


def facing(keypoints) -> int:
    """FRONT or BACK, the part of its trunk that a person shows; 0 where shoulders, hips and face disagree or are not all known.

    keypoints: [17, 3] x, y, visibility in the order of NAMES, or 51 numbers.
    """
    points = dict(zip(NAMES, np.asarray(keypoints, np.float64).reshape(17, 3), strict=True))
    face = [points[name][2] > 0 for name in ("nose", "left_eye", "right_eye")]
    corners = np.stack([points[side + joint] for joint in ("shoulder", "hip") for side in ("left_", "right_")])
    if not corners[:, 2].all():
        return 0
    (left, right), (left_hip, right_hip) = corners[:, :2].reshape(2, 2, 2)
    down = (left_hip + right_hip - left - right) / 2
    # From the right one to the left one across the trunk, in trunk lengths: 0.65 between shoulders straight from the front.
    across = [(x * down[1] - y * down[0]) / max(down @ down, 1e-9) for x, y in (left - right, left_hip - right_hip)]
    if across[0] > 0.25 and across[1] > 0 and face[0] and any(face[1:]):
        return FRONT
    return BACK if across[0] < -0.25 and across[1] < 0 and not any(face) else 0
