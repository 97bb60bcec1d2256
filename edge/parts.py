"""The 24 parts of a body's surface, numbered as in DensePose (Güler et al. 2018); left and right are the person's own."""

NAMES = (
    "background", "torso_back", "torso_front", "right_hand", "left_hand", "left_foot", "right_foot",
    "right_upper_leg_back", "left_upper_leg_back", "right_upper_leg_front", "left_upper_leg_front",
    "right_lower_leg_back", "left_lower_leg_back", "right_lower_leg_front", "left_lower_leg_front",
    "left_upper_arm_inner", "right_upper_arm_inner", "left_upper_arm_outer", "right_upper_arm_outer",
    "left_lower_arm_inner", "right_lower_arm_inner", "left_lower_arm_outer", "right_lower_arm_outer",
    "right_head", "left_head",
)  # fmt: skip
COUNT = len(NAMES) - 1


def _mirrored(name):
    return name.replace("left", "?").replace("right", "left").replace("?", "right")


# The part of the other side, by part.
MIRROR = tuple(NAMES.index(_mirrored(name)) for name in NAMES)


def group(*words: str) -> frozenset[int]:
    """The parts whose names hold all of these words.

    >>> group("left", "upper_arm")
    frozenset({15, 17})
    """
    return frozenset(number for number, name in enumerate(NAMES) if number and all(word in name for word in words))
