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


def _exchanged(name, one, other):
    return name.replace(one, "?").replace(other, one).replace("?", other)


# The part of the other side, by part, and what a part is when its owner faces the other way.
MIRROR = tuple(NAMES.index(_exchanged(name, "left", "right")) for name in NAMES)
TURNED = (0, *(NAMES.index(_exchanged(NAMES[part], "back", "front")) for part in MIRROR[1:]))


def group(*words: str) -> frozenset[int]:
    """The parts whose names hold all of these words.

    >>> group("left", "upper_arm")
    frozenset({15, 17})
    """
    return frozenset(number for number, name in enumerate(NAMES) if number and all(word in name for word in words))
