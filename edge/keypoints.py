"""COCO's keypoints, and the body parts that may be seen where each of them is."""

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
