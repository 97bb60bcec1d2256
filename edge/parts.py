"""The 24 parts of a body's surface, numbered as in DensePose (Güler et al. 2018); left and right are the person's own."""

NAMES = (
    "background", "torso back", "torso front", "right hand", "left hand", "left foot", "right foot",
    "right upper leg back", "left upper leg back", "right upper leg front", "left upper leg front",
    "right lower leg back", "left lower leg back", "right lower leg front", "left lower leg front",
    "left upper arm inner", "right upper arm inner", "left upper arm outer", "right upper arm outer",
    "left lower arm inner", "right lower arm inner", "left lower arm outer", "right lower arm outer",
    "right head", "left head",
)  # fmt: skip
COUNT = len(NAMES) - 1


def _mirrored(name):
    return name.replace("left", "?").replace("right", "left").replace("?", "right")


# The part of the other side, by part.
MIRROR = tuple(NAMES.index(_mirrored(name)) for name in NAMES)


def group(*words: str) -> frozenset[int]:
    """The parts whose names hold all of these words.

    >>> group("left", "upper arm")
    frozenset({15, 17})
    """
    return frozenset(number for number, name in enumerate(NAMES) if number and all(word in name for word in words))
