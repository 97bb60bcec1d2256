"""A labelled picture as the network sees it: scaled, cropped, turned, mirrored, recoloured, with instances pasted in."""

from dataclasses import dataclass

import cv2
import numpy as np

from edgemask import pictures
from edgemask.convert.bundle_writer import describe
from edgemask.convert.train.dataset import Picture, decode
from edgemask.convert.train.recipe import Recipe
from edgemask.letterbox import content_size

PAD = describe((), 64, 64)["input"]["pad"]
SMALLEST = 3.0  # pixels of a side: smaller objects are not worth a guess
PASTED = 3
GREY = 0.299, 0.587, 0.114  # of red, green and blue
LARGER, TRIES = 3.0, 20  # a window without objects: how much larger it is shown, and how often one is looked for


@dataclass
class Sample:
    """rgb: uint8 [H, W, 3] of the network's input size; boxes: float32 [N, 4] in its pixels; classes: int64 [N];
    masks: uint8 [N, H, W] of 0 and 1, meaningful where `masked` [N]; crowds: float32 [M, 4] that nothing is learned from."""

    rgb: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    masks: np.ndarray
    masked: np.ndarray
    crowds: np.ndarray


def sample(picture: Picture, recipe: Recipe, random: np.random.Generator, donor: Picture | None = None) -> Sample:
    """A random view of a picture, or of what is between its objects; donor: one whose masked instances are pasted in."""
    empty = _between(picture, recipe, random) if recipe.empty and random.random() < recipe.empty else None
    found = _view(picture, recipe.input, *(empty or _matrix(picture, recipe, random)))
    if donor is not None and not empty:
        _paste(found, _view(donor, recipe.input, *_matrix(donor, recipe, random)), random)
    found.rgb = recolour(found.rgb, recipe.colour, random)
    return found


def read(picture: Picture) -> np.ndarray:
    """A picture in its json's size, in whose pixels labels are: uint8 [height, width, 3] RGB."""
    rgb, size = pictures.read(picture.path), (picture.width, picture.height)
    return rgb if rgb.shape[1::-1] == size else cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def warp(rgb: np.ndarray, size: tuple[int, int], matrix: np.ndarray, factors) -> np.ndarray:
    """A picture moved by a 2×3 matrix into an input of a size, padded; factors: its scales along x and y, both below 1 averages."""
    small = cv2.resize(rgb, None, fx=factors[0], fy=factors[1], interpolation=cv2.INTER_AREA) if max(factors) < 1 else rgb
    shrunk = np.diag([rgb.shape[1] / small.shape[1], rgb.shape[0] / small.shape[0]])
    direct = np.hstack([matrix[:, :2] @ shrunk, matrix[:, 2:]])
    return cv2.warpAffine(small, direct, size, flags=cv2.INTER_LINEAR, borderValue=(PAD, PAD, PAD))


def _view(picture, size, matrix, factors) -> Sample:
    return _labels(picture, warp(read(picture), size, matrix, factors), matrix, size)


def _labels(picture, view, matrix, size):
    rows, crowds = [], []
    for one in picture.instances:
        box = _moved(one.box, matrix, size)
        if min(box[2] - box[0], box[3] - box[1]) < SMALLEST:
            continue
        if one.crowd:
            crowds.append(box)
        elif one.segmentation is None:
            rows.append((box, one.class_id, np.zeros(size[::-1], np.uint8), False))
        else:
            mask = 255 * decode(one.segmentation, picture.width, picture.height)
            mask = (cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR) > 127).astype(np.uint8)
            box = extent(mask)
            if box is not None and min(box[2] - box[0], box[3] - box[1]) >= SMALLEST:
                rows.append((box, one.class_id, mask, True))
    return Sample(
        view,
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.uint8).reshape(-1, *size[::-1]),
        np.array([row[3] for row in rows], bool),
        np.array(crowds, np.float32).reshape(-1, 4),
    )


def _matrix(picture, recipe, random):
    """(2×3 matrix from the picture's pixels to the input's, scale along both axes)."""
    size, whole = np.array(recipe.input), np.array([picture.width, picture.height], float)
    fit = content_size((picture.width, picture.height), recipe.input)[0] / picture.width
    scale = fit * np.exp(random.uniform(*np.log(recipe.scale)))
    aspect = np.exp(random.uniform(-recipe.aspect, recipe.aspect) / 2)
    factors = scale * np.array([aspect, 1 / aspect])
    angle = np.radians(random.uniform(-recipe.rotation, recipe.rotation))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag(factors)
    if recipe.flip and random.random() < 0.5:
        linear[:, 0] *= -1
    centre = linear @ (whole / 2)  # where the picture's middle goes before it is placed
    content = whole * factors
    offset = np.where(
        content > size,
        _crop(picture, recipe, random, linear, centre, content, size),
        content / 2 + random.random(2) * (random.random() < 0.7) * np.maximum(size - content, 0),
    )
    return np.hstack([linear, (offset - centre)[:, None]]), factors


def _between(picture, recipe, random):
    """As `_matrix`, of a window that shows none of the objects, up to three times as large; None where none was found."""
    whole = np.array([picture.width, picture.height], float)
    boxes = np.array([one.box for one in picture.instances]).reshape(-1, 4)
    fit = content_size((picture.width, picture.height), recipe.input)[0] / picture.width
    for scale in fit * np.exp(random.uniform(0, np.log(LARGER), TRIES)):
        extent = np.minimum(recipe.input / scale, whole)
        corner = random.random(2) * (whole - extent)
        if not np.all((boxes[:, :2] < corner + extent) & (boxes[:, 2:] > corner), axis=1).any():
            return np.hstack([scale * np.eye(2), -scale * corner[:, None]]), np.array([scale, scale])
    return None


def _crop(picture, recipe, random, linear, centre, content, size):
    """Where the middle of a picture larger than the input goes: around one of its objects, or anywhere."""
    middle = size - content / 2 + random.random(2) * (content - size)
    if picture.instances and random.random() < 0.7:
        box = np.array(picture.instances[random.integers(len(picture.instances))].box)
        target = linear @ ((box[:2] + box[2:]) / 2) - centre
        middle = size * random.uniform(0.3, 0.7, 2) - target
    return np.clip(middle, size - content / 2, content / 2)


def _moved(box, matrix, size):
    x0, y0, x1, y1 = box
    corners = matrix @ np.array([[x0, x1, x1, x0], [y0, y0, y1, y1], [1, 1, 1, 1]])
    limits = np.array(size)[:, None]
    corners = np.clip(corners, 0, limits)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)])


def extent(mask: np.ndarray) -> tuple | None:
    """Box x0, y0, x1, y1 of a mask [H, W]; None of an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1) if len(rows) else None


def _paste(target, donor, random):
    """Up to three masked instances of the donor over the target; what they cover is covered."""
    chosen = np.flatnonzero(donor.masked)
    chosen = random.permutation(chosen)[: random.integers(1, PASTED + 1)]
    if not len(chosen):
        return
    over = donor.masks[chosen].any(axis=0)
    soft = cv2.GaussianBlur(over.astype(np.float32), (3, 3), 0)[..., None]
    target.rgb = (donor.rgb * soft + target.rgb * (1 - soft)).astype(np.uint8)
    left = target.masks * ~over[None]
    keep = np.ones(len(target.boxes), bool)
    for index, box in enumerate(target.boxes):
        x0, y0, x1, y1 = box.round().astype(int)
        if target.masked[index]:
            keep[index] = left[index].sum() > 0.2 * target.masks[index].sum()
            target.boxes[index] = extent(left[index]) or box
        else:
            keep[index] = over[y0:y1, x0:x1].mean() < 0.7
    for name, mine, theirs in (("boxes", target.boxes, donor.boxes), ("classes", target.classes, donor.classes),
                               ("masks", left, donor.masks), ("masked", target.masked, donor.masked)):  # fmt: skip
        setattr(target, name, np.concatenate([mine[keep], theirs[chosen]]))


def recolour(rgb: np.ndarray, strength: float, random: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation, each channel's gain; now and then blur or noise, as a small camera has."""
    vivid = 1 + random.uniform(-strength, strength)
    gain = (1 + random.uniform(-strength, strength)) * (1 + random.uniform(-0.25, 0.25, 3) * strength)
    contrast = 1 + random.uniform(-strength, strength)
    saturation = vivid * np.eye(3) + (1 - vivid) * np.array(GREY)
    matrix = gain[:, None] * np.hstack([contrast * saturation, np.full((3, 1), 127 * (1 - contrast))])
    view = cv2.transform(rgb, matrix)
    if random.random() < 0.15:
        view = cv2.GaussianBlur(view, (0, 0), random.uniform(0.4, 1.2))
    if random.random() < 0.15:
        noise = random.uniform(1, 8) * random.standard_normal(view.shape, np.float32)
        view = np.clip(view + noise, 0, 255).astype(np.uint8)
    return view
