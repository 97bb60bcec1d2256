"""What a dense head learns from: people's RoI features out of a frozen trunk, and what is known of their parts, U and V.

    python -m edgemask.convert.body.samples person.safetensors renders/people.json renders.npz
    python -m edgemask.convert.body.samples person.safetensors train.json weak.npz --weak --views 3
    python -m edgemask.convert.body.samples person.safetensors train.json backs.npz --weak --backs --views 16 --colour 0.3

A label set (rendered or fitted people: a COCO json whose pictures have an `iuv` map) says exactly what each pixel is; with
--weak, keypoints say what it may be, and a mask, where there is one, whose it is (convert.body.weak).
"""

import argparse
import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from edgemask import coco, pictures
from edgemask.arguments import count, positive
from edgemask.command import exit_code
from edgemask.convert.body import weak
from edgemask.convert.train.augment import recolour, warp
from edgemask.convert.train.dataset import decode
from edgemask.errors import DatasetError, OptionError
from edgemask.evaluate_dense import read_iuv
from edgemask.files import replacing
from edgemask.keypoints import BACK, facing
from edgemask.keypoints import NAMES as KEYPOINTS
from edgemask.parts import MIRROR
from edgemask.progress import progress

# Of the input, that somebody's longer side takes; input pixels to one of the picture, at most; of a box's sides, as a detector
# misses them.
TAKEN, ENLARGED, JITTER = (0.25, 1.1), 2.0, 0.05
SMALLEST, INSIDE = 16, 0.6  # pixels of a box's longer side in the input; share of a box that must be in a view
TORSO = np.uint32(0b110)


@dataclass
class Samples:
    """features: float16 [N, 14, 14, C]; allowed: uint32 [N, 28, 28], bit p for each part that may be there, 0 where nothing is
    known and beside the person; u, v: float16 [N, 28, 28], nan where unknown."""

    features: np.ndarray
    allowed: np.ndarray
    u: np.ndarray
    v: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    def save(self, path):
        """Write to an .npz, whole or not at all."""
        with replacing(path) as temporary:
            np.savez(temporary, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path) -> "Samples":
        """Read what `save` wrote; raises DatasetError."""
        try:
            with np.load(path) as content:
                return cls(**{field.name: content[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DatasetError(f"{path} is no file of samples that convert.body.samples wrote: {error}") from error


@dataclass
class View:
    """A picture seen through scale, shift and flip: input pixel = scale · picture pixel + shift, per axis."""

    rgb: np.ndarray
    scale: np.ndarray
    shift: np.ndarray

    @property
    def mirrored(self) -> bool:
        return self.scale[0] < 0

    def box(self, box: np.ndarray) -> np.ndarray:
        """A picture's box [4] in the input's pixels."""
        ends = box.reshape(2, 2) * self.scale + self.shift
        return np.concatenate([ends.min(axis=0), ends.max(axis=0)])

    def grid(self, box: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
        """(columns [side], rows [side]) in the picture's pixels of the centres of a grid over an input's box."""
        points = box[:2] + (np.arange(side)[:, None] + 0.5) / side * (box[2:] - box[:2])
        return tuple(((points - self.shift) / self.scale).T)


def view(rgb: np.ndarray, around: np.ndarray, size: tuple[int, int], random: np.random.Generator) -> View:
    """A random view of a picture that has the middle of a box in it, the box in a random size."""
    whole = np.array(rgb.shape[1::-1], float)
    taken = np.exp(random.uniform(*np.log(TAKEN))) * min(size)
    scale = min(taken / (around[2:] - around[:2]).max(), ENLARGED)
    flip = random.random() < 0.5
    scales, content = np.array([-scale if flip else scale, scale]), whole * scale
    turned = np.array([content[0] if flip else 0.0, 0.0])  # where the picture's left edge goes before it is placed
    wanted = size * random.uniform(0.3, 0.7, 2) - (turned + (around[:2] + around[2:]) / 2 * scales)
    free = random.random(2) * np.maximum(size - content, 0)
    shift = turned + np.where(content > size, np.clip(wanted, np.minimum(size - content, 0), 0), free)
    matrix = np.hstack([np.diag(scales), shift[:, None]])
    return View(warp(rgb, size, matrix, (scale, scale)), scales, shift)


def _inside(box, size, random):
    """A box as a detector would give it, or None where too little of it is in the input."""
    whole = box[2:] - box[:2]
    box = box + random.normal(0, JITTER, 4) * np.tile(whole, 2)
    cut = np.clip(box, 0, np.tile(size, 2))
    sides = cut[2:] - cut[:2]
    return cut if sides.max() >= SMALLEST and sides.min() >= 4 and sides.prod() >= INSIDE * whole.prod() else None


def _at(columns, rows, person):
    """(index of the pixels, whether they are in the picture and the person's) of a grid of points."""
    height, width = person.shape
    across, down = np.floor(columns).astype(int), np.floor(rows).astype(int)
    there = (across >= 0) & (across < width) & ((down >= 0) & (down < height))[:, None]
    at = np.ix_(np.clip(down, 0, height - 1), np.clip(across, 0, width - 1))
    return at, person[at] & there


def exact(person, iuv, columns, rows):
    """(allowed, u, v) of a grid by an IUV map."""
    at, mine = _at(columns, rows, person)
    found = iuv[at]
    part = np.where(mine, found[..., 0], 0).astype(np.uint32)
    allowed = np.where(part > 0, np.uint32(1) << part, 0).astype(np.uint32)
    u, v = (np.where(part > 0, found[..., channel] / 255.0, np.nan) for channel in (1, 2))
    return allowed, u, v


def allowed(person, annotation, columns, rows):
    """(allowed, u, v) of a grid by keypoints and mask."""
    _, mine = _at(columns, rows, person)
    bits, v = weak.labels(annotation["keypoints"], person, columns, rows)
    return np.where(mine, bits, 0).astype(np.uint32), np.full(v.shape, np.nan), np.where(mine, v, np.nan)


def mirrored(bits: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with left and right exchanged; mirrored charts have the same U and V, the torso's U turns round."""
    out = np.zeros_like(bits)
    for part in range(1, len(MIRROR)):
        out |= ((bits >> np.uint32(part)) & np.uint32(1)) << np.uint32(MIRROR[part])
    return out, np.where(bits & TORSO, 1 - u, u), v


@dataclass
class Labelled:
    """A picture with its people's masks, COCO annotations and, unless they are all that is known, its IUV map."""

    rgb: np.ndarray
    iuv: np.ndarray | None
    people: list[dict]
    masks: list[np.ndarray]

    def look(self, size: tuple[int, int], side: int, random: np.random.Generator):
        """A random view of its people: (rgb, boxes float32 [N, 4] in it, allowed uint32, u and v float32 [N, side, side])."""
        corners = [np.array(one["bbox"], float) for one in self.people]
        corners = [np.concatenate([one[:2], one[:2] + one[2:]]) for one in corners]
        seen = view(self.rgb, corners[random.integers(len(corners))], size, random)
        boxes, known = [], []
        for person, mask, corner in zip(self.people, self.masks, corners, strict=True):
            box = _inside(seen.box(corner), size, random)
            if box is None:
                continue
            columns, rows = seen.grid(box, side)
            said = allowed(mask, person, columns, rows) if self.iuv is None else exact(mask, self.iuv, columns, rows)
            boxes.append(box)
            known.append(mirrored(*said) if seen.mirrored else said)
        kinds = zip(zip(*known, strict=True) if known else ((), (), ()), (np.uint32, np.float32, np.float32), strict=True)
        said = (np.array(values, kind).reshape(-1, side, side) for values, kind in kinds)
        return seen.rgb, np.array(boxes, np.float32).reshape(-1, 4), *said


class LabelSet:
    """The pictures of a COCO json in which something is known of people's parts.

    By IUV maps, exactly; a person without a single labelled pixel is nobody's. Or, weak, by keypoints, and masks where
    there are any; backs: only of people whose keypoints say that they are seen from behind. Raises DatasetError.
    """

    def __init__(self, path, weak: bool = False, backs: bool = False):
        content, self.path, self.weak = coco.read(path), Path(path), weak
        self.folder, self.people = coco.picture_folder(path), {}
        for index, one in enumerate(content.get("annotations") or []):
            if missing := [key for key in ("image_id", "bbox") if key not in one]:
                raise DatasetError(f"{path}: annotations[{index}] has no {missing[0]}")
            pointed = one.get("num_keypoints") or not weak
            if weak and pointed and np.size(one.get("keypoints", [])) != 3 * len(KEYPOINTS):
                raise DatasetError(f"{path}: annotations[{index}] has no list of {len(KEYPOINTS)} keypoints, x, y and visibility each")
            if backs and not (pointed and facing(one["keypoints"]) == BACK):
                continue
            if (weak or one.get("segmentation") is not None) and not one.get("iscrowd") and pointed:
                self.people.setdefault(one["image_id"], []).append(one)
        self.images = [one for one in content["images"] if one["id"] in self.people]
        if not self.images:
            lacking = "keypoints that show a back" if backs else "keypoints" if weak else "a mask"
            raise DatasetError(f"{path} has nobody with {lacking} to learn from")
        if not weak and (bare := [one["file_name"] for one in self.images if "iuv" not in one]):
            raise DatasetError(f"{path}: picture {bare[0]} has no iuv map; keypoints alone are a weak set")
        files = [self.folder / one["file_name"] for one in self.images]
        files += [] if weak else [self.path.parent / one["iuv"] for one in self.images]
        if lacking := [file for file in files if not file.is_file()]:
            raise DatasetError(f"{path}: {len(lacking)} of its {len(files)} files are missing (first: {lacking[0].name})")
        if not any(self.read(image) for image in self.images):
            raise DatasetError(f"{path} has nobody of whom a pixel is labelled in its iuv maps")

    def read(self, image: dict) -> Labelled | None:
        """One of `images` with all that is known of it; None when that is nothing."""
        people, size = self.people[image["id"]], (image["width"], image["height"])
        masks = [decode(one["segmentation"], *size) > 0 if one.get("segmentation") else np.ones(size[::-1], bool) for one in people]
        iuv = None if self.weak else read_iuv(self.path.parent / image["iuv"], image)
        if iuv is not None:
            labelled = [bool(iuv[mask].any()) for mask in masks]
            people, masks = ([one for one, known in zip(all, labelled, strict=True) if known] for all in (people, masks))
        return Labelled(pictures.read(self.folder / image["file_name"]), iuv, people, masks) if people else None


def collect(model, labels: LabelSet, views: int, seed: int = 0, colour: float = 0.0) -> Samples:
    """Samples of every person of a set in so many random views of each picture.

    model: a `Model` of the float bundle, whose trunk gives the features; colour: how strongly each view is recoloured, blurred
    and made noisy (`recolour`), 0 leaves it. Raises DatasetError.
    """
    size, side, found = (model.width, model.height), model.roi["mask"], []
    for image in progress(labels.images, labels.path.stem):
        picture = labels.read(image)
        for number in range(views if picture else 0):
            random = np.random.default_rng([seed, image["id"], number])
            rgb, boxes, *known = picture.look(size, 2 * side, random)
            if len(boxes):
                rgb = recolour(rgb, colour, random) if colour else rgb
                found.append((model.pool(model.engines["trunk"](rgb[None]), boxes, "mask"), *known))
    if not found:
        raise DatasetError(f"{labels.path} has nobody large enough to learn from")
    kinds = (np.float16, np.uint32, np.float16, np.float16)
    return Samples(*(np.concatenate(values, dtype=kind) for values, kind in zip(zip(*found, strict=True), kinds, strict=True)))


def main(arguments=None) -> int:
    """Write the samples; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.body.samples", description=__doc__.splitlines()[0])
    it.add_argument("checkpoint", type=Path, help="whose trunk is to carry the head")
    it.add_argument("labels", type=Path, help="COCO json: a set with iuv maps, or with --weak one with keypoints")
    it.add_argument("target", type=Path, metavar="OUT.npz")
    it.add_argument("--weak", action="store_true", help="what keypoints allow, not what an iuv map says")
    it.add_argument("--backs", action="store_true", help="with --weak: only people whose keypoints show their backs")
    it.add_argument("--views", type=count, default=1, metavar="N", help="of each picture (default %(default)s)")
    it.add_argument("--colour", type=positive, default=0.0, metavar="S", help="recolour views so strongly (default %(default)s)")
    it.add_argument("--seed", type=int, default=0)
    it.add_argument("--json", action="store_true")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    from edgemask.convert.conversion import Conversion

    if options.backs and not options.weak:
        raise OptionError("--backs asks keypoints, which only --weak reads: give both")
    labels = LabelSet(options.labels, options.weak, options.backs)
    with Conversion(options.checkpoint, 320, 320) as conversion:
        samples = collect(conversion.models["float"], labels, options.views, options.seed, options.colour)
    samples.save(options.target)
    known = float((samples.allowed > 0).mean())
    if options.json:
        print(json.dumps({"samples": len(samples), "labelled_share": known}))
    else:
        print(f"wrote {options.target}: {len(samples)} views of people, {100 * known:.0f} % of their cells labelled with parts")


if __name__ == "__main__":
    sys.exit(main())
