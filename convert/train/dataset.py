"""COCO-format training sets: every fault found and counted before training begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemask import coco
from edgemask.errors import DatasetError, MissingLibrary


@dataclass(frozen=True)
class Instance:
    """One labelled object: box x0, y0, x1, y1 in the picture's pixels, class id from 0, COCO segmentation or None."""

    box: tuple[float, float, float, float]
    class_id: int
    segmentation: object
    crowd: bool


@dataclass(frozen=True)
class Picture:
    """A labelled picture."""

    path: Path
    width: int
    height: int
    instances: tuple[Instance, ...]

    @property
    def masked(self) -> bool:
        """Whether any of its instances has a mask, or there is none at all."""
        return not self.instances or any(one.segmentation is not None for one in self.instances)


class Faults:
    """What is wrong with a data set, by kind: how often, and where first."""

    def __init__(self):
        self.found: dict[str, list[str]] = {}

    def add(self, kind: str, where: str):
        self.found.setdefault(kind, []).append(where)

    def __str__(self):
        return "; ".join(f"{len(all)} × {kind} (first: {all[0]})" for kind, all in self.found.items())


def read_pictures(paths: Sequence[Path], classes: Sequence[str], leave_out: bool = False) -> tuple[list[Picture], str]:
    """(labelled pictures of several COCO jsons, what was left out).

    classes: the category names to learn; a picture's other categories are unknown. An instance without a segmentation has
    a box only. leave_out: go on without what is at fault, rather than raising DatasetError with all of it counted.
    """
    pictures, notes = [], []
    for path in paths:
        faults = Faults()
        found = list(_pictures(Path(path), classes, faults))
        if faults.found and not leave_out:
            raise DatasetError(f"{path}: {faults}; mend it, or leave these out (edgemask train --leave-out)")
        if not any(one.instances for one in found):
            raise DatasetError(f"{path} has no picture with an object of {', '.join(classes)}")
        pictures += found
        notes += [f"{path}: left out {faults}"] if faults.found else []
    return pictures, "; ".join(notes)


def category_names(path) -> tuple[str, ...]:
    """The names of a COCO json's categories, by id."""
    categories = coco.read(path).get("categories") or []
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) and "id" in one for one in categories):
        raise DatasetError(f"{path} has a category without id or name")
    return tuple(one["name"] for one in sorted(categories, key=lambda one: one["id"]))


def _pictures(path, classes, faults):
    content, folder = coco.read(path), coco.picture_folder(path)
    names = {one["id"]: one["name"] for one in content.get("categories") or []}
    ids = {key: classes.index(name) for key, name in names.items() if name in classes}
    rows = {}
    for index, one in enumerate(content.get("annotations") or []):
        where = f"annotations[{index}]"
        if not isinstance(one, dict) or not {"image_id", "category_id", "bbox"} <= set(one):
            faults.add("annotation without image_id, category_id or bbox", where)
        elif one["category_id"] not in ids:
            faults.add("unknown category", f"{where}, category {names.get(one['category_id'], one['category_id'])}")
        else:
            rows.setdefault(one["image_id"], []).append((where, one))
    for image in content["images"]:
        if not all(isinstance(image.get(key), int) and image[key] > 0 for key in ("width", "height")):
            faults.add("picture without width or height", image["file_name"])
        elif not (folder / image["file_name"]).is_file():
            faults.add("missing picture", image["file_name"])
        else:
            size = image["width"], image["height"]
            instances = (_instance(one, where, size, ids, faults) for where, one in rows.pop(image.get("id"), ()))
            yield Picture(folder / image["file_name"], *size, tuple(filter(None, instances)))
    known = {image.get("id") for image in content["images"]}
    for where, _ in (one for key, group in rows.items() if key not in known for one in group):
        faults.add("annotation of no picture", where)


def _instance(one, where, size, ids, faults):
    """None, and a fault, for a box that is empty or lies outside, or a mask that is empty."""
    box = one["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
        return faults.add("box that is not [x, y, width, height]", where)
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return faults.add("empty box", where)
    # A pixel over the edge is how many tools round.
    if x < -1 or y < -1 or x + width > size[0] + 1 or y + height > size[1] + 1:
        return faults.add("box outside its picture", where)
    segmentation = one.get("segmentation")
    if segmentation is not None and not _area(segmentation, size):
        return faults.add("empty mask", where)
    return Instance((x, y, x + width, y + height), ids[one["category_id"]], segmentation, bool(one.get("iscrowd")))


def _area(segmentation, size):
    try:
        return int(decode(segmentation, *size).sum())
    except (TypeError, ValueError, KeyError, IndexError):
        return 0


def decode(segmentation, width: int, height: int) -> np.ndarray:
    """A COCO segmentation (polygons, RLE compressed or not) as a mask, uint8 [height, width] of 0 and 1."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise MissingLibrary("training needs pycocotools: pip install 'edgemask[train]'") from error
    if isinstance(segmentation, list):
        segmentation = mask.merge(mask.frPyObjects(segmentation, height, width))
    elif isinstance(segmentation["counts"], list):
        segmentation = mask.frPyObjects(segmentation, height, width)
    found = mask.decode(segmentation)
    if found.shape != (height, width):
        raise ValueError("a mask of another size than its picture")
    return found
