"""Where people, boxes, camera and light are in a picture."""

from dataclasses import dataclass, field

import numpy as np

from edgemask.convert.body import camera, look, people, skeleton
from edgemask.convert.body.surface import Surface

CLOSE = 0.03  # Metres that two people's limbs may share.


@dataclass(frozen=True)
class Box:
    """Furniture or something in the way: model [4, 4] puts the cube −1..1 in the world; two colours and (pattern, size, gloss,
    grain)."""

    model: np.ndarray
    tones: np.ndarray
    stuff: np.ndarray


@dataclass(frozen=True)
class Light:
    """way [3] to the sun or lamp; sun, sky and floor_light are linear colours [3]; soft is the shadow's blur over the map,
    shadow its strength."""

    way: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    floor_light: np.ndarray
    soft: float
    shadow: float


@dataclass(frozen=True)
class Room:
    """A room's corners [3], colours of wall, wall2, tiles, tiles2 [4, 3], (pattern, size, gloss, grain) of walls and floor,
    what hangs there."""

    low: np.ndarray
    high: np.ndarray
    tones: np.ndarray
    walls: np.ndarray
    floors: np.ndarray
    hung: np.ndarray
    hung_tone: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Everything a picture shows; `behind` is uint8 [H, W, 3] RGB or a Room."""

    camera: camera.Camera
    bodies: list[people.Body]
    boxes: list[Box]
    light: Light
    behind: "np.ndarray | Room"
    view: str = field(default="room")


@dataclass(frozen=True)
class Cast:
    """What is drawn of a picture before its bodies are computed."""

    view: str
    people: list[people.Person]


def cast(random: np.random.Generator, families) -> Cast:
    """The view and the one to four people in it."""
    names = list(camera.VIEWS)
    view = names[random.choice(len(names), p=[camera.VIEWS[name][0] for name in names])]
    chances = {"webcam": (0.62, 0.25, 0.09, 0.04), "room": (0.45, 0.3, 0.15, 0.1), "street": (0.2, 0.3, 0.27, 0.23)}[view]
    count = 1 + random.choice(4, p=chances)
    return Cast(view, [people.sample(random, families, *camera.VIEWS[view][-2:]) for _ in range(count)])


def stage(random: np.random.Generator, cast: Cast, bodies: list[people.Body], photograph) -> Scene:
    """People placed where the camera may see them and nobody stands in another; `photograph(random, size)` gives uint8 [H, W,
    3] or None for a room."""
    spread = camera.VIEWS[cast.view][4]
    first = bodies[0].moved(random.normal(0, spread), (0, 0))
    seen = camera.sample(random, cast.view, first.vertices.min(0), first.vertices.max(0), float(first.keypoints[1:3, 2].mean()))
    placed = [first]
    for body in bodies[1:]:
        placed += _placed(random, seen, body, placed, spread)
    boxes = [box for body in placed for box in _seat(random, body)]
    if random.random() < 0.25:
        boxes += _thing(random, seen, placed, random.uniform(0.35, 0.85))
    behind = photograph(random, (seen.width, seen.height))
    if behind is None:
        behind = _room(random, seen, placed)
        for _ in range(random.integers(0, 6)):
            boxes += _thing(random, seen, placed, random.uniform(1.1, 2.2))
    return Scene(seen, placed, boxes, _light(random, behind), behind, cast.view)


def _placed(random, seen, body, others, spread):
    """The body somewhere in the view and free of the others, or nothing after eight tries."""
    distance = np.linalg.norm(seen.position[:2] - others[0].keypoints[:, :2].mean(0))
    ahead = seen.rotation[2, :2] / np.linalg.norm(seen.rotation[2, :2])
    half = seen.width / 2 / seen.focal
    for _ in range(8):
        depth = max(distance * np.exp(random.uniform(np.log(0.75), np.log(2.3))), 0.7)
        aside = depth * half * random.uniform(-1.0, 1.0)
        at = seen.position[:2] + depth * ahead + aside * np.array([ahead[1], -ahead[0]])
        facing = np.degrees(np.arctan2(ahead[0], -ahead[1])) + 180
        moved = body.moved(facing + random.normal(0, spread), at - body.keypoints[:, :2].mean(0))
        if all(apart(moved, other) for other in others):
            return [moved]
    return []


def apart(one: people.Body, other: people.Body) -> bool:
    """Whether no limb of one stands deeper than CLOSE in one of the other."""
    depth = skeleton.overlap(one.limbs[:, None], other.limbs[None], one.radii[:, None] + other.radii[None])
    return depth.max() < CLOSE


def _box(random, centre, half, degrees):
    model = np.eye(4)
    model[:3, :3], model[:3, 3] = skeleton.turn(skeleton.Z, degrees) @ np.diag(half), centre
    kind = random.choice([0, 0, 0, 3, 1, 4])
    stuff = np.array([kind, random.uniform(0.03, 0.3), random.beta(1, 5), random.choice([0.0, 0.3, 0.6])])
    return Box(model, np.array([look.colour(random), look.colour(random)]), stuff)


def _seat(random, body):
    """Something under who sits off the floor."""
    hips = body.vertices[skeleton.owners() == 0]
    under = float(hips[:, 2].min())
    if body.person.family != "sitting" or body.still or under < 0.2:
        return []
    left, right = body.keypoints[11], body.keypoints[12]
    degrees = np.degrees(np.arctan2(*(left - right)[[1, 0]]))
    centre, back = hips.mean(0), skeleton.turn(skeleton.Z, degrees) @ skeleton.Y
    wide, thick = random.uniform(0.2, 0.35), under / 2 if random.random() < 0.5 else 0.03
    seat = _box(random, [*(centre - 0.06 * back)[:2], under - thick], [wide, 0.24, thick], degrees)
    if random.random() < 0.5:
        return [seat]
    off = ((body.vertices[skeleton.owners() == 1] - centre) @ back).max() + 0.04
    rest = _box(random, [*(centre + max(off, 0.2) * back)[:2], under + 0.25], [wide, 0.03, random.uniform(0.15, 0.4)], degrees)
    return [seat, Box(rest.model, seat.tones, seat.stuff)]


def _thing(random, seen, bodies, share):
    """A box at a share of the way from the camera to the first person and beyond, unless somebody would stand in it."""
    target = bodies[0].keypoints.mean(0)
    at = seen.position[:2] + share * (target - seen.position)[:2] + random.normal(0, 0.35 if share < 1 else 1.0, 2)
    half = np.array([random.uniform(0.08, 0.8), random.uniform(0.05, 0.4), random.uniform(0.15, 0.6)])
    box = _box(random, [*at, half[2]], half, random.uniform(0, 360))
    inverse = np.linalg.inv(box.model)
    eye = inverse[:3, :3] @ seen.position + inverse[:3, 3]
    inside = any((np.abs(body.vertices @ inverse[:3, :3].T + inverse[:3, 3]) < 1.1).all(axis=1).any() for body in bodies)
    return [] if inside or (np.abs(eye) < 2).all() else [box]


def _light(random, behind):
    """Sky and floor light take the picture's upper and lower colours, as if it surrounded the people."""
    if isinstance(behind, Room):
        upper, lower = np.full(3, 0.5), 0.35 * behind.tones[2] + 0.1
    else:
        small = look.linear(behind)
        upper, lower = small[: len(small) // 2].mean((0, 1)), small[len(small) // 2 :].mean((0, 1))
    level = random.uniform(0.6, 1.1)
    bright = np.clip(0.4 + 1.5 * (upper + lower).mean() / 2, 0.4, 1.2)
    tint = [0.5 + 0.5 * tone / tone.mean() for tone in (upper, lower)]
    warm = 1 + random.normal(0, 0.12) * np.array([1, 0.1, -1])
    sharp = random.uniform(0.3, 2.2)
    high, around = np.radians(random.uniform(20, 85)), random.uniform(0, 2 * np.pi)
    way = np.array([np.cos(high) * np.cos(around), np.cos(high) * np.sin(around), np.sin(high)])
    return Light(way, level * bright * sharp * warm, level * bright * 0.9 * tint[0], level * bright * random.uniform(0.25,
    0.55) * tint[1],
                 float(np.exp(random.uniform(np.log(0.003), np.log(0.05)))), random.uniform(0.15, 0.6))  # fmt: skip


def _room(random, seen, bodies):
    """A room that holds the people and the camera."""
    points = np.vstack([seen.position[None], *(body.vertices[::50] for body in bodies)])
    low, high = points.min(0) - random.uniform(0.3, 2.5, 3), points.max(0) + random.uniform(0.3, 2.5, 3)
    low[2], high[2] = 0.0, max(high[2], random.uniform(2.3, 3.2))
    wall = np.clip(linear_grey(random) if random.random() < 0.6 else look.colour(random), 0.05, 0.9)
    tones = np.array([wall, np.clip(wall * random.uniform(0.4, 1.3), 0, 0.95), look.colour(random), look.colour(random)])
    tones[2:] = tones[2:] * 0.5 + linear_grey(random) * 0.3
    hung = np.column_stack(
        [random.uniform(low[:2].min(), high[:2].max(), 6), random.uniform(0.3, 2.0, 6), random.uniform(0.05, 0.9, (6, 2))]
    )
    hung[random.random(6) < 0.4, 2:] = -1
    return Room(low, high, tones, np.array([random.choice([0, 0, 0, 2, 5, 4]), random.uniform(0.1, 0.6), 0, 0]),
                np.array([random.choice([0, 3, 6, 4, 1]), random.uniform(0.1, 0.6), random.beta(1, 4), random.choice([0, 0.3,
                0.6])]),
                hung, np.array([look.colour(random) for _ in range(6)]))  # fmt: skip


def linear_grey(random) -> np.ndarray:
    """A whitish or greyish wall's colour."""
    return look.linear(np.full(3, random.uniform(90, 245)) + random.normal(0, 8, 3))


def shown(scene: Scene) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each body what is drawn: (vertices, normals, hair) of `Surface.dress`."""
    return [Surface.load().dress(body.vertices, body.person.look) for body in scene.bodies]
