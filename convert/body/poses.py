"""Poses by name: for each family, ranges of joint angles in degrees, to read and to change.

Every angle is 0 in somebody who stands upright with hanging arms and the palms at the thighs. `flex` swings a limb forward (an
elbow or a knee: closes it),
`abduct` away from the body, `twist` turns it inward about itself; `bend` is forward, `lean` to the left, `turn` to the left. A
name without `near` or `far`
holds for both sides, each drawn on its own; which side is near is drawn too. What a table leaves out comes from RELAXED.
"""

import numpy as np

from edgemask.errors import OptionError

# Active ranges of motion of healthy adults, rounded outward: American Academy of Orthopaedic Surgeons, Joint Motion (1965).
LIMITS = {
    "spine.bend": (-30, 85), "spine.lean": (-35, 35), "spine.turn": (-45, 45),
    "neck.bend": (-50, 50), "neck.lean": (-40, 40), "neck.turn": (-75, 75),
    "shoulder.flex": (-50, 175), "shoulder.abduct": (-30, 170), "shoulder.twist": (-60, 90),
    "elbow.flex": (0, 145), "forearm.twist": (-80, 80), "wrist.flex": (-60, 70), "fingers.curl": (-10, 85),
    "hip.flex": (-25, 125), "hip.abduct": (-20, 50), "hip.twist": (-40, 35), "knee.flex": (0, 145), "ankle.flex": (-45, 25),
}  # fmt: skip

RELAXED = {
    "root.pitch": (-4, 4), "root.roll": (-2, 2),
    "spine.bend": (-4, 10), "spine.lean": (-5, 5), "spine.turn": (-10, 10),
    "neck.bend": (-12, 20), "neck.lean": (-10, 10), "neck.turn": (-45, 45),
    "shoulder.flex": (-12, 18), "shoulder.abduct": (4, 16), "shoulder.twist": (-10, 30),
    "elbow.flex": (3, 35), "forearm.twist": (-30, 30), "wrist.flex": (-15, 20), "fingers.curl": (5, 40),
    "hip.flex": (-3, 6), "hip.abduct": (-4, 8), "hip.twist": (-15, 8), "knee.flex": (0, 8), "ankle.flex": (-4, 4),
}  # fmt: skip

FAMILIES = {
    "standing": (
        {},
        {"shoulder.flex near": (10, 50), "elbow.flex near": (60, 130), "shoulder.twist near": (0, 60)},
        {"shoulder.flex": (15, 50), "elbow.flex": (70, 120), "shoulder.twist": (-10, 40)},
        {"shoulder.flex": (-35, -5), "shoulder.abduct": (25, 50), "shoulder.twist": (30, 75), "elbow.flex": (70, 105)},
        {"shoulder.flex near": (60, 105), "elbow.flex near": (110, 140), "shoulder.abduct near": (0, 40), "neck.bend": (-5, 30)},
        {"hip.abduct": (6, 22), "shoulder.abduct": (15, 60), "elbow.flex": (0, 60)},
    ),
    "walking": (
        {"root.pitch": (0, 8), "hip.flex near": (12, 35), "knee.flex near": (2, 25), "ankle.flex near": (-5, 12),
         "hip.flex far": (-22, 2),
         "knee.flex far": (8, 50), "ankle.flex far": (-25, 5), "hip.abduct": (-4, 4), "shoulder.flex near": (-35, 2),
         "shoulder.flex far": (2, 35),
         "elbow.flex": (5, 50), "neck.turn": (-30, 30)},
        {"root.pitch": (5, 18), "hip.flex near": (30, 75), "knee.flex near": (40, 95), "hip.flex far": (-20, 5),
         "knee.flex far": (15, 90),
         "ankle.flex far": (-35, 0), "shoulder.flex near": (-45, -10), "shoulder.flex far": (10, 50), "elbow.flex": (60, 110),
         "neck.turn": (-25, 25)},
    ),
    "sitting": (
        {"root.pitch": (-15, 8), "spine.bend": (0, 30), "hip.flex": (75, 98), "hip.abduct": (0, 25), "knee.flex": (65, 110),
         "ankle.flex": (-15, 15),
         "shoulder.flex": (5, 45), "elbow.flex": (30, 90), "shoulder.twist": (0, 50)},
        {"root.pitch": (-12, 5), "spine.bend": (5, 35), "hip.flex": (80, 100), "hip.abduct": (0, 18), "knee.flex": (70, 105),
         "neck.bend": (5, 40),
         "shoulder.flex": (25, 65), "elbow.flex": (55, 110), "shoulder.twist": (10, 55), "shoulder.abduct": (5, 30)},
        {"root.pitch": (-30, -5), "hip.flex": (65, 90), "hip.abduct": (0, 20), "knee.flex": (10, 75), "ankle.flex": (-25, 10)},
        {"root.pitch": (-15, 10), "spine.bend": (5, 35), "hip.flex": (80, 110), "hip.abduct": (5, 35), "knee.flex": (0, 40),
         "ankle.flex": (-25, 10),
         "shoulder.flex": (-10, 40)},
    ),
    "reaching": (
        {"shoulder.flex near": (60, 115), "shoulder.abduct near": (0, 30), "elbow.flex near": (0, 40), "spine.bend": (-5, 25)},
        {"shoulder.flex near": (120, 172), "shoulder.abduct near": (0, 25), "elbow.flex near": (0, 50), "neck.bend": (-40, 0),
         "spine.bend": (-15, 5)},
        {"shoulder.abduct near": (60, 130), "elbow.flex near": (0, 100), "neck.turn": (-50, 50)},
        {"shoulder.flex": (60, 160), "shoulder.abduct": (0, 25), "elbow.flex": (0, 55), "neck.bend": (-35, 10)},
        {"shoulder.abduct": (50, 110), "elbow.flex": (0, 45), "hip.abduct": (0, 25)},
    ),
    "bending": (
        {"root.pitch": (20, 55), "spine.bend": (15, 55), "hip.flex": (20, 60), "knee.flex": (0, 35), "shoulder.flex": (40,
         110), "elbow.flex": (0, 40),
         "neck.bend": (-30, 15)},
        {"root.pitch": (0, 30), "spine.bend": (5, 40), "hip.flex": (85, 122), "hip.abduct": (5, 30), "knee.flex": (100, 142),
         "ankle.flex": (0, 22),
         "shoulder.flex": (30, 85), "elbow.flex": (5, 80), "neck.bend": (-30, 15)},
        {"root.pitch": (0, 20), "spine.bend": (0, 40), "hip.flex near": (75, 100), "knee.flex near": (80, 110),
         "hip.flex far": (0, 20),
         "knee.flex far": (85, 115), "ankle.flex far": (-40, -20), "shoulder.flex": (10, 70), "elbow.flex": (5, 70)},
        {"root.pitch": (5, 25), "spine.bend": (5, 25), "hip.flex near": (35, 70), "knee.flex near": (45, 80),
         "hip.flex far": (-20, 5),
         "knee.flex far": (5, 40), "ankle.flex far": (-30, 0)},
    ),
    "lying": (
        {"root.pitch": (-98, -82), "root.roll": (-12, 12), "hip.flex": (-3, 35), "knee.flex": (0, 60), "hip.abduct": (-3, 18),
         "shoulder.flex": (-5, 40), "shoulder.abduct": (5, 80), "elbow.flex": (0, 100), "ankle.flex": (-35, 0)},
        {"root.pitch": (82, 96), "root.roll": (-10, 10), "hip.flex": (-8, 6), "knee.flex": (0, 40), "neck.bend": (-45, -5),
         "hip.abduct": (0, 18),
         "shoulder.flex": (60, 165), "shoulder.abduct": (10, 40), "elbow.flex": (40, 110), "ankle.flex": (-42, -10)},
        {"root.pitch": (-95, -85), "root.roll": (65, 110), "hip.flex": (10, 80), "knee.flex": (10, 100), "spine.bend": (0, 30),
         "shoulder.flex": (20, 90), "elbow.flex": (20, 110), "ankle.flex": (-30, 5)},
        {"root.pitch": (-70, -45), "spine.bend": (0, 30), "hip.flex": (20, 70), "knee.flex": (0, 70), "shoulder.flex": (-40,
         10), "elbow.flex": (0, 90),
         "ankle.flex": (-30, 5)},
    ),
}  # fmt: skip
UPRIGHT = ("standing", "walking", "sitting", "reaching")  # Families whose arms and trunk go with the legs of another.


def chosen(names: str) -> tuple[str, ...]:
    """The families of a list with commas; OptionError names the first that does not exist."""
    names = tuple(names.split(","))
    for name in names:
        if name not in FAMILIES:
            raise OptionError(f"there is no pose family called {name!r}; there are {', '.join(FAMILIES)}")
    return names


def sample(random: np.random.Generator, family: str) -> dict[str, float]:
    """Angles of one pose of the family in degrees, with `.L` or `.R` at the end of a limb's: within LIMITS, two in ten with
    another family's arms."""
    table = _variant(random, family)
    if family in UPRIGHT and random.random() < 0.2:
        upper = _variant(random, UPRIGHT[random.integers(len(UPRIGHT))])
        table = {
            **{key: span for key, span in table.items() if not _arm(key)},
            **{key: span for key, span in upper.items() if _arm(key)},
        }
    sides = ("near", "far") if random.random() < 0.5 else ("far", "near")
    angles = {}
    for joint, usual in RELAXED.items():
        if joint.split(".")[0] in ("root", "spine", "neck"):
            angles[joint] = _draw(random, joint, table.get(joint, usual))
            continue
        for side, which in zip("LR", sides):
            angles[f"{joint}.{side}"] = _draw(random, joint, table.get(f"{joint} {which}", table.get(joint, usual)))
    return angles


def _variant(random, family):
    return FAMILIES[family][random.integers(len(FAMILIES[family]))]


def _arm(key):
    return key.startswith(("shoulder", "elbow", "forearm", "wrist", "fingers", "neck"))


def _draw(random, joint, span):
    """Between uniform and a bell over the range: the ends of a range are rarer than its middle."""
    low, high = span
    value = low + (high - low) * random.beta(1.6, 1.6)
    return float(np.clip(value, *LIMITS.get(joint, (-180, 180))))
