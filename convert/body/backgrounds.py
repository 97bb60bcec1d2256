"""Photographs with nobody in them, to put people on."""

import json
from pathlib import Path

import cv2
import numpy as np

from edgemask import pictures
from edgemask.errors import DatasetError

ROOMS = 0.3  # Share of pictures that show a made-up room although there are photographs.


class Backgrounds:
    """The pictures of a COCO file that no annotation names, found beside it in the folder of its name; without a file only rooms.

    Raises DatasetError for a file that is no COCO file or has somebody in every picture.
    """

    def __init__(self, path: Path | None):
        self.paths = _empty(path) if path else []

    def __call__(self, random: np.random.Generator, size: tuple[int, int]) -> np.ndarray | None:
        """A crop of one of them, uint8 [height, width, 3] RGB, or None for a room."""
        if not self.paths or random.random() < ROOMS:
            return None
        width, height = size
        rgb = pictures.read(self.paths[random.integers(len(self.paths))])
        scale = max(width / rgb.shape[1], height / rgb.shape[0]) * random.uniform(1.0, 1.7)
        across, down = (max(round(side * scale), wanted) for side, wanted in zip(rgb.shape[1::-1], size))
        rgb = cv2.resize(rgb, (across, down), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        x, y = random.integers(0, across - width + 1), random.integers(0, down - height + 1)
        rgb = rgb[y : y + height, x : x + width]
        if random.random() < 0.25:  # Out of focus, as behind somebody near.
            rgb = cv2.GaussianBlur(rgb, (0, 0), random.uniform(0.8, 3.0))
        return np.ascontiguousarray(rgb[:, ::-1] if random.random() < 0.5 else rgb)


def _empty(path):
    try:
        coco = json.loads(path.read_text())
        taken = {annotation["image_id"] for annotation in coco["annotations"]}
        names = [image["file_name"] for image in coco["images"] if image["id"] not in taken]
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{path} is no COCO file: it needs images and annotations") from error
    found = [path.with_suffix("") / name for name in names]
    if not found:
        raise DatasetError(f"{path} has somebody in every picture; backgrounds are the pictures that have no annotation")
    if missing := [one for one in found if not one.is_file()]:
        raise DatasetError(f"{missing[0]} is missing, which {path} lists; the pictures lie in the folder of the file's name")
    return found
