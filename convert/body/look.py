"""Skin, hair and clothes drawn at random: colours are linear light, lengths metres, limits in the rest pose of
`surface.Surface`."""

import colorsys
from dataclasses import dataclass

import numpy as np

# Between these the skin is mixed: sRGB tones from the Monk skin tone scale (Monk 2019, CC-BY), light to dark.
SKIN = (
    (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150), (160, 126, 86), (130, 92, 67),
    (96, 65, 52), (58, 49, 42), (41, 36, 32),
)  # fmt: skip
HAIR = (
    (12, 10, 9), (25, 18, 14), (48, 30, 20), (80, 52, 33), (120, 84, 52), (165, 125, 78), (190, 155, 105), (125, 60, 30),
)  # fmt: skip
GREY = ((110, 108, 105), (170, 168, 165), (215, 213, 208))
IRIS = ((45, 28, 15), (60, 38, 20), (60, 85, 110), (80, 95, 70))
CLOTHES = (
    (15, 15, 18), (30, 32, 40), (70, 72, 76), (130, 130, 132), (200, 200, 198), (238, 236, 232), (28, 38, 70), (40, 62, 110),
    (70, 100, 150), (95, 75, 55), (170, 145, 110), (110, 20, 28), (60, 75, 45),
)  # fmt: skip
# From, to, how usual: how far down the arm (elbow 1, wrist 2), the height of the collar, how far down the leg (knee 1, ankle 2).
SLEEVES = (0.05, 0.12, 1), (0.35, 0.7, 6), (0.8, 1.3, 2), (1.75, 2.05, 8)
NECKS = (0.43, 0.46, 1), (0.47, 0.50, 6), (0.51, 0.54, 1)
TROUSERS = (0.15, 0.35, 1), (0.6, 1.0, 4), (1.2, 1.6, 1), (1.8, 2.1, 10)


@dataclass(frozen=True)
class Look:
    """What one person wears; the fields are what `shaders/person.frag` and `Surface.dress` read."""

    skin: tuple
    lips: tuple
    iris: tuple
    first: np.ndarray  # [6, 3] colours of top, bottom, shoes, socks, hair, what an open jacket shows
    second: np.ndarray  # [6, 3] the patterns' other colours
    cloth: np.ndarray  # [6, 4] pattern, size, gloss, folds
    waist: float
    sleeve: float
    trouser: float
    neck: float
    vee: float
    opening: float
    shoe: float
    sock: float
    skirt: bool
    hair: bool
    long: float  # where it ends: 0.5 at the neck, 0.05 at the waist
    wide: float  # half of what it covers of the back
    full: float  # how far it stands off the neck
    drapes: bool  # over the shoulders, too
    recede: float
    over_ears: float
    hair_thick: float
    top_thick: float
    bottom_thick: float
    smooth: int
    beard: float
    salt: np.ndarray
    waves: np.ndarray


def linear(tone) -> np.ndarray:
    """sRGB of 0 to 255 as linear light."""
    return (np.asarray(tone, float) / 255) ** 2.2


def _pick(random, spans):
    """One of (low, high, weight), then between low and high."""
    weights = np.array([span[2] for span in spans], float)
    low, high, _ = spans[random.choice(len(spans), p=weights / weights.sum())]
    return float(random.uniform(low, high))


def colour(random: np.random.Generator) -> np.ndarray:
    """A cloth's colour: mostly what wardrobes hold, sometimes any hue; linear light [3]."""
    if random.random() < 0.6:
        return np.clip(linear(CLOTHES[random.integers(len(CLOTHES))]) * random.uniform(0.7, 1.3, 3), 0.002, 0.95)
    return linear(np.array(colorsys.hsv_to_rgb(random.random(), random.beta(2, 2), random.beta(2.5, 1.5))) * 255)


def _skin(random):
    at = (len(SKIN) - 1.5) * random.beta(1.1, 1.2)
    low = int(at)
    tone = linear(np.array(SKIN[low]) + (at - low) * (np.array(SKIN[min(low + 1, len(SKIN) - 1)]) - np.array(SKIN[low])))
    return tone * random.uniform([0.85, 0.66, 0.56], [1.0, 0.84, 0.78]), at / (len(SKIN) - 1)


def sample(random: np.random.Generator, phenotype: dict[str, float]) -> Look:
    """Clothes, skin and hair that may go with a body."""
    (skin, dark), woman = _skin(random), phenotype["gender"] > 0.5
    first, second = np.array([colour(random) for _ in range(6)]), np.array([colour(random) for _ in range(6)])
    first[4] = _hair_colour(random, phenotype["age"] > 0.8, dark)
    second[4] = first[4] * 1.6
    if random.random() < 0.12:  # One suit, overall or dress.
        first[1], second[1] = first[0], second[0]
    return Look(
        skin=tuple(skin),
        lips=tuple(skin * random.uniform([0.75, 0.4, 0.4], [1.0, 0.65, 0.65])),
        iris=tuple(linear(IRIS[random.integers(len(IRIS) if dark < 0.45 else 2)])),
        first=first,
        second=second,
        cloth=np.array([_cloth(random, index) for index in range(6)]),
        salt=random.uniform(-50, 50, 3),
        waves=np.column_stack([random.normal(0, 28, (4, 3)), random.uniform(0, 6.28, 4)]).astype(np.float32),
        **_cuts(random, woman),
        **_head(random, woman, phenotype["age"]),
    )


def _hair_colour(random, old, dark):
    if random.random() < 0.12:  # A cap.
        return colour(random)
    grey = random.random() < (0.7 if old else 0.06)
    tones = GREY if grey else HAIR[: len(HAIR) if dark < 0.45 else 3]
    return linear(tones[random.integers(len(tones))])


def _cuts(random, woman):
    skirt = bool(woman and random.random() < 0.35)
    return {
        "waist": random.uniform(0.0, 0.12),
        "sleeve": _pick(random, SLEEVES),
        "skirt": skirt,
        "trouser": random.uniform(0.5, 1.7) if skirt else _pick(random, TROUSERS),
        "neck": _pick(random, NECKS),
        "vee": random.uniform(0.03, 0.1) * (random.random() < 0.33),
        "opening": random.uniform(0.03, 0.09) * (random.random() < 0.25),
        "shoe": _pick(random, ((1.7, 1.95, 2), (1.98, 2.05, 6), (9, 9, 1))),
        "sock": _pick(random, ((1.5, 1.95, 2), (9, 9, 1))),
        "top_thick": 0.002 + 0.03 * random.beta(1, 2.5),
        "bottom_thick": 0.002 + 0.025 * random.beta(1, 2.5),
        "smooth": int(random.integers(2, 10)),
    }


def _head(random, woman, age):
    return {
        "hair": bool(random.random() < (0.98 if woman else 0.88)),
        "long": _pick(random, ((0.3, 0.5, 3 if woman else 0.3), (0.05, 0.3, 2 if woman else 0.1), (0.6, 0.6, 2 if woman else 5))),
        "wide": random.uniform(0.06, 0.15),
        "full": random.uniform(0.0, 0.05),
        "drapes": bool(random.random() < 0.3),
        "recede": random.uniform(-0.01, 0.02) + (0 if woman else max(0.0, random.normal(0.0, 0.03))),
        "over_ears": random.uniform(0.02, 0.07) * (woman and random.random() < 0.5),
        "hair_thick": random.choice([0.003, random.uniform(0.006, 0.02), random.uniform(0.015, 0.045)]),
        "beard": 0.0 if woman or age < 0.55 or random.random() < 0.5 else float(random.uniform(0.2, 0.95)),
    }


def _cloth(random, index):
    """Pattern, size, gloss and folds; plain is as usual as all the others."""
    if index in (2, 3, 4):
        return 0, 0.05, random.uniform(0.05, 0.5), random.uniform(0.0, 0.25) if index != 4 else 0.5
    if index == 1:
        kind = random.choice([0, 7, 7, 0, 2, 6, 4, 5], p=[0.3, 0.2, 0.2, 0.1, 0.05, 0.05, 0.05, 0.05])
    else:
        kind = random.choice([0, 1, 2, 3, 4, 5, 6, 7, 8], p=[0.34, 0.14, 0.05, 0.1, 0.06, 0.04, 0.06, 0.09, 0.12])
    size = np.exp(random.uniform(np.log(0.012), np.log(0.09))) if kind != 8 else random.uniform(0.03, 0.07)
    return kind, size, random.beta(1, 8), random.uniform(0.25, 0.85)
