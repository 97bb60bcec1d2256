"""A contact sheet of a dense label set: people cut out at random, each as picture, parts, U and V.

python -m edgemask.convert.body.sheet OUT/people.json sheet.jpg [--people 64] [--seed 0]
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np

from edgemask import pictures, rle
from edgemask.command import exit_code
from edgemask.errors import DatasetError, OptionError, OutputError
from edgemask.files import replacing
from edgemask.painting import COLOURS

CELL, ACROSS = 168, 4  # Pixels a person's panel is wide and high; people in a row of the sheet.


def panels(rgb: np.ndarray, iuv: np.ndarray, mask: np.ndarray, box) -> np.ndarray:
    """Picture, parts, U and V of one person side by side: uint8 [CELL, 4·CELL, 3]."""
    x, y, width, height = box
    side = int(max(width, height) * 1.2) + 4
    left, top = int(x + width / 2 - side / 2), int(y + height / 2 - side / 2)
    part, labelled = iuv[..., 0], (iuv[..., 0] > 0) & mask
    shown = [rgb]
    for values in (COLOURS[part % len(COLOURS)], *(cv2.applyColorMap(iuv[..., one], cv2.COLORMAP_JET)[..., ::-1] for one in (1, 2))):
        shown.append(np.where(labelled[..., None], 0.25 * rgb + 0.75 * values, 0.4 * rgb).astype(np.uint8))
    return np.hstack([_cut(one, left, top, side) for one in shown])


def _cut(rgb, left, top, side):
    padded = cv2.copyMakeBorder(rgb, side, side, side, side, cv2.BORDER_CONSTANT)
    return cv2.resize(
        padded[top + side : top + 2 * side, left + side : left + 2 * side], (CELL, CELL), interpolation=cv2.INTER_AREA
    )


def sheet(path: Path, count: int, seed: int) -> np.ndarray:
    """So many of the set's labelled people at random, uint8 RGB; DatasetError for a file that is no dense label set."""
    try:
        coco = json.loads(path.read_text())
        images = {image["id"]: image for image in coco["images"] if image["iuv"]}
        people = [one for one in coco["annotations"] if one["image_id"] in images]
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} is no dense label set: its images need iuv") from error
    cells = []
    for person in (people[index] for index in np.random.default_rng(seed).permutation(len(people))):
        image = images[person["image_id"]]
        rgb, iuv = pictures.read(path.with_suffix("") / image["file_name"]), pictures.read(path.parent / image["iuv"])
        mask = rle.decode(person["segmentation"])
        if iuv[mask].any():  # in a set of fitted people not everybody is
            cells.append(panels(rgb, iuv, mask, person["bbox"]))
        if len(cells) == count:
            break
    cells += [np.zeros_like(cells[0])] * (-len(cells) % ACROSS) if cells else []
    if not cells:
        raise DatasetError(f"{path} has nobody in it")
    return np.vstack([np.hstack(cells[start : start + ACROSS]) for start in range(0, len(cells), ACROSS)])


def _main(arguments):
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.body.sheet", description=__doc__.splitlines()[0])
    it.add_argument("set", type=Path)
    it.add_argument("sheet", type=Path)
    it.add_argument("--people", type=int, default=64, metavar="N")
    it.add_argument("--seed", type=int, default=0)
    options = it.parse_args(arguments)
    if options.people < 1 or options.seed < 0:
        raise OptionError("--people is at least 1, --seed at least 0")
    drawn = sheet(options.set, options.people, options.seed)
    with replacing(options.sheet) as temporary:
        if not cv2.imwrite(str(temporary), drawn[..., ::-1]):
            raise OutputError(f"{options.sheet} cannot be written: is the disk full?")


def main(arguments=None) -> int:
    """Write the sheet; the exit code."""
    return exit_code(_main, arguments)


if __name__ == "__main__":
    sys.exit(main())
