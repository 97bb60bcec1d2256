"""A small labelled set that anyone can make again: rendered fruit on a table of one's own pictures, in COCO format.

    python -m edgemask.convert.train.example fruit --train 300 --val 60 [--classes apple,banana] [--backgrounds DIR]
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from edgemask import pictures, rle
from edgemask.bundle import SHIPPED
from edgemask.command import exit_code
from edgemask.errors import OptionError, OutputError
from edgemask.files import replacing
from edgemask.progress import progress

SIZE = 480, 360
HIDDEN = 0.4  # share of a fruit that the next one may hide
DETAIL = 2  # rendered so much larger, then made smaller: soft edges


def _grid(side, angle):
    v, u = (np.mgrid[0:side, 0:side] + 0.5) / side * 2.3 - 1.15
    return u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)


def _dome(distance):
    """Height over the table of something round whose edge is at distance 1."""
    return np.sqrt(np.clip(1 - distance**2, 0, 1))


def apple(u, v, random):
    """(height, colour) over the plane, [side, side] and [side, side, 3]."""
    around, distance = np.arctan2(v, u), np.hypot(u, v)
    edge = 0.92 + 0.04 * np.cos(2 * around) - 0.10 * np.exp(-((around + np.pi / 2) ** 2) / 0.05)
    blush = 0.5 + 0.5 * np.sin(u * random.uniform(1, 3) + random.uniform(0, 6))
    red, green = np.array([200, 30, 35.0]), np.array([170, 185, 60.0])
    return _dome(distance / edge), red + (green - red) * (blush * random.uniform(0, 0.8))[..., None]


def banana(u, v, random):
    bend = random.uniform(0.8, 1.1)
    around, distance = np.arctan2(u, v + bend), np.hypot(u, v + bend)
    along = around / (1.0 / bend)
    width = 0.24 * np.clip(1 - np.abs(along) ** 4, 1e-3, 1)
    height = _dome((distance - bend) / width) * (np.abs(along) < 1)
    brown = np.clip((np.abs(along) - 0.85) / 0.15, 0, 1)[..., None]
    yellow = np.array([random.uniform(205, 240), random.uniform(180, 205), 40.0])
    return height, yellow * (1 - brown) + np.array([80, 60, 30.0]) * brown


def lemon(u, v, random):
    width = 0.62 * np.clip(1 - np.abs(u) ** random.uniform(2.2, 3.2), 1e-3, 1) + 0.06 * (np.abs(u) < 1.05)
    return _dome(v / width) * (np.abs(u) < 1.05), np.broadcast_to([235.0, 215, random.uniform(30, 80)], (*u.shape, 3))


def plum(u, v, random):
    height = _dome(np.hypot(u / 0.95, v / random.uniform(0.7, 0.85)))
    bloom = (0.5 + 0.5 * np.sin(3 * u + 2 * v))[..., None] * random.uniform(0, 0.5)
    return height, np.array([70, 30, 85.0]) * (1 - bloom) + np.array([140, 130, 170.0]) * bloom


FRUIT = {"apple": apple, "banana": banana, "lemon": lemon, "plum": plum}


def render(kind: str, side: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One fruit, turned and lit at random: (uint8 [side, side, 3] RGB, float32 [side, side] of 0 to 1, how much it covers)."""
    u, v = _grid(side * DETAIL, random.uniform(0, 2 * np.pi))
    height, colour = FRUIT[kind](u, v, random)
    slope_v, slope_u = np.gradient(height * side * DETAIL / 2.3)
    normal = np.dstack([-slope_u, -slope_v, np.ones_like(height)])
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    light = np.array([random.uniform(-0.6, 0.6), random.uniform(-0.6, 0.6), 0.8])
    shade = np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    skin = colour * (0.35 + 0.75 * shade)[..., None] + 120 * (shade**24)[..., None] + random.normal(0, 4, colour.shape)
    skin, cover = (np.asarray(one, np.float32) for one in (np.clip(skin, 0, 255), height > 0))
    size = (side, side)
    return (cv2.resize(skin, size, interpolation=cv2.INTER_AREA).astype(np.uint8),
            cv2.resize(cover, size, interpolation=cv2.INTER_AREA))  # fmt: skip


def scene(classes, backgrounds, random: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, np.ndarray]]]:
    """One to six fruit on a crop of a background: (uint8 [H, W, 3] RGB, (class id, bool [H, W] what is seen of it) each)."""
    width, height = SIZE
    rgb = _crop(backgrounds[random.integers(len(backgrounds))], random)
    found = []
    for _ in range(random.integers(1, 7)):
        class_id, side = int(random.integers(len(classes))), int(np.exp(random.uniform(np.log(60), np.log(200))))
        skin, cover = render(classes[class_id], side, random)
        x, y = int(random.integers(-side // 4, width - 3 * side // 4)), int(random.integers(-side // 4, height - 3 * side // 4))
        x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + side, width), min(y + side, height)
        skin, cover = skin[y0 - y : y1 - y, x0 - x : x1 - x], cover[y0 - y : y1 - y, x0 - x : x1 - x]
        whole = np.zeros((height, width), bool)
        whole[y0:y1, x0:x1] = cover > 0.5
        if any((mask & whole).sum() > HIDDEN * mask.sum() for _, mask in found):
            continue
        region = rgb[y0:y1, x0:x1]
        region[:] = (region * (1 - cover[..., None]) + skin * cover[..., None]).astype(np.uint8)
        found = [(kind, mask & ~whole) for kind, mask in found] + [(class_id, whole)]
    return rgb, found


def _crop(rgb, random):
    width, height = SIZE
    scale = max(width / rgb.shape[1], height / rgb.shape[0]) * random.uniform(1, 2)
    rgb = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    x, y = random.integers(0, rgb.shape[1] - width + 1), random.integers(0, rgb.shape[0] - height + 1)
    rgb = rgb[y : y + height, x : x + width]
    return np.ascontiguousarray(rgb[:, ::-1] if random.random() < 0.5 else rgb)


def write(folder: Path, name: str, count: int, classes, backgrounds, seed: int):
    """`name`.json and the pictures in `name`/, the same bytes for the same arguments."""
    images, annotations = [], []
    (folder / name).mkdir(parents=True, exist_ok=True)
    for number in progress(range(1, count + 1), name):
        random = np.random.default_rng([seed, sum(name.encode()), number])
        rgb, found = scene(classes, backgrounds, random)
        images.append({"id": number, "file_name": f"{number:05}.jpg", "width": SIZE[0], "height": SIZE[1]})
        if not cv2.imwrite(str(folder / name / images[-1]["file_name"]), rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90]):
            raise OutputError(f"{folder / name} cannot be written: is the disk full?")
        for class_id, mask in found:
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            x, y = int(columns[0]), int(rows[0])
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": class_id + 1, "iscrowd": 0,
                "bbox": [x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y], "area": int(mask.sum()),
                "segmentation": rle.encode(mask, SIZE, 0, 0),
            })  # fmt: skip
    categories = [{"id": index, "name": kind} for index, kind in enumerate(classes, 1)]
    with replacing(folder / f"{name}.json") as temporary:
        temporary.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))


def main(arguments=None) -> int:
    """Write the set; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.train.example", description=__doc__.splitlines()[0])
    it.add_argument("folder", type=Path)
    it.add_argument("--train", type=int, default=300, metavar="N", help="pictures to learn from (default %(default)s)")
    it.add_argument("--val", type=int, default=60, metavar="N", help="pictures to measure on (default %(default)s)")
    it.add_argument("--classes", default=",".join(FRUIT), help="some of %(default)s")
    it.add_argument("--backgrounds", type=Path, metavar="DIR", help="pictures without fruit (default: one that comes with it)")
    it.add_argument("--seed", type=int, default=0)
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    classes = tuple(options.classes.split(","))
    if unknown := set(classes) - set(FRUIT):
        raise OptionError(f"there is no fruit called {min(unknown)!r}; there are {', '.join(FRUIT)}")
    if min(options.train, options.val) < 1:
        raise OptionError("--train and --val are at least 1")
    paths = pictures.listing(options.backgrounds)[:200] if options.backgrounds else [SHIPPED.with_name("astronaut.jpg")]
    found = [pictures.read(path) for path in paths]
    for name in ("train", "val"):
        write(options.folder, name, getattr(options, name), classes, found, options.seed)


if __name__ == "__main__":
    sys.exit(main())
