"""Masks for the objects that have a box alone, by a model itself (self-training, Lee 2013).

    python -m edgemask.convert.train.masks person.safetensors train.json masked.json

The network sees each object enlarged, as it is and mirrored, and so better than in the whole picture. A mask is kept when it
reaches the sides of its box and the network is sure of it; masks that are known stay as they are.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

from edgemask import coco, rle
from edgemask.boxes import iou
from edgemask.command import exit_code
from edgemask.convert.train.augment import extent, read, warp
from edgemask.convert.train.dataset import read_pictures
from edgemask.files import replacing
from edgemask.masks import CUT, paste
from edgemask.model import Model
from edgemask.progress import progress

TAKEN, ENLARGED = 0.6, 2.0  # of the input that a box's longer side takes; input pixels to one of the picture, at most
SMALLEST = 12.0  # pixels of a box's longer side in the picture
REACHES, SURE = 0.7, 0.8  # IoU of the mask's extent with the box; mean probability within the mask


def infer(model: Model, rgb: np.ndarray, box: np.ndarray, class_id: int) -> dict | None:
    """RLE of the mask of what a box holds; None of one that is not to be trusted.

    rgb: uint8 [height, width, 3]; box: float32 [4], x0, y0, x1, y1 in its pixels.
    """
    size, whole = np.array([model.width, model.height]), rgb.shape[1::-1]
    scale = min(TAKEN * size.min() / (box[2:] - box[:2]).max(), ENLARGED)
    shift = size / 2 - scale * (box[:2] + box[2:]) / 2
    view = warp(rgb, tuple(map(int, size)), np.hstack([scale * np.eye(2), shift[:, None]]), (scale, scale))
    there = (scale * box + np.tile(shift, 2)).astype(np.float32)
    turned = np.array([size[0] - there[2], there[1], size[0] - there[0], there[3]], np.float32)
    grid = (_grid(model, view, there, class_id) + _grid(model, view[:, ::-1], turned, class_id)[:, ::-1]) / 2
    crop, left, top = paste(grid, box, whole)
    if not crop.any() or grid[grid >= CUT].mean() < SURE:
        return None
    reached = np.array(extent(crop), np.float32) + (left, top, left, top)
    return rle.encode(crop, whole, left, top) if iou(box, reached[None])[0] >= REACHES else None


def _grid(model, view, box, class_id):
    trunk = model.engines["trunk"](np.ascontiguousarray(view)[None])
    return model.mask_grids(trunk, box[None], np.array([class_id]))[0]


def complete(model: Model, path) -> tuple[dict, int, int]:
    """(Content of a COCO json with masks for boxes that had none, how many got one, how many had none); raises DatasetError."""
    pictures, _ = read_pictures([path], model.bundle.classes)  # what is at fault is named before any work is done
    content, lacking, got = coco.read(path), {}, 0
    names = {one["id"]: one["name"] for one in content["categories"]}
    for one in content["annotations"]:
        if one.get("segmentation") is None and not one.get("iscrowd"):
            lacking.setdefault(one["image_id"], []).append(one)
    pairs = [(picture, lacking[image["id"]]) for picture, image in zip(pictures, content["images"], strict=True)
             if image["id"] in lacking]  # fmt: skip
    for picture, bare in progress(pairs, "pictures"):
        rgb = read(picture)
        for one in bare:
            x, y, width, height = one["bbox"]
            if max(width, height) < SMALLEST:
                continue
            box = np.array([x, y, x + width, y + height], np.float32)
            if found := infer(model, rgb, box, model.bundle.classes.index(names[one["category_id"]])):
                one["segmentation"], got = found, got + 1
    return content, got, sum(map(len, lacking.values()))


def main(arguments=None) -> int:
    """Write the json; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.train.masks", description=__doc__.splitlines()[0])
    it.add_argument("checkpoint", type=Path, help="a model that knows these objects")
    it.add_argument("labels", type=Path, help="COCO json with boxes")
    it.add_argument("target", type=Path, metavar="OUT.json")
    it.add_argument("--json", action="store_true")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    from edgemask.convert.conversion import Conversion

    with Conversion(options.checkpoint, 320, 320) as conversion:
        content, got, lacking = complete(conversion.models["float"], options.labels)
    folder = os.path.relpath(coco.picture_folder(options.labels), options.target.resolve().parent)
    for image in content["images"]:
        image["file_name"] = str(Path(folder, image["file_name"]))
    with replacing(options.target) as temporary:
        temporary.write_text(json.dumps(content))
    if options.json:
        print(json.dumps({"without": lacking, "masks": got}))
    else:
        print(f"wrote {options.target}: {got} of {lacking} boxes without a mask have one now")


if __name__ == "__main__":
    sys.exit(main())
