"""Zones: named polygons of the frame, and who touches them."""

import functools
import re
from dataclasses import dataclass

import cv2
import numpy as np

from edgemask.detections import Detections
from edgemask.errors import OptionError


@dataclass(frozen=True)
class Zone:
    """A named polygon; points: (x, y) in fractions of the frame, (0, 0) its top left corner and (1, 1) its bottom right.

    >>> door = Zone("door", ((0.0, 0.5), (0.3, 0.5), (0.3, 1.0), (0.0, 1.0)))
    >>> touched([door], people).sum(axis=0)
    """

    name: str
    points: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, words: list[str]) -> "Zone":
        """The zone that `NAME x,y x,y x,y …` describes; raises OptionError."""
        name, *corners = words
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise OptionError(f"--zone {name}: a name is made of letters, digits, - and _, and stands before the points")
        points = tuple(_point(name, corner) for corner in corners)
        if len(points) < 3 or not cv2.contourArea(np.float32(points)):
            raise OptionError(f"--zone {name} encloses nothing: give at least three points x,y that are not on one line")
        return cls(name, points)

    @functools.lru_cache(maxsize=32)
    def pixels(self, size) -> np.ndarray:
        """The zone's pixels in a frame of (width, height), its border included: bool [height, width]."""
        pixels = np.zeros((size[1], size[0]), np.uint8)
        cv2.fillPoly(pixels, [np.rint(np.array(self.points) * size - 0.5).astype(np.int32)], 1)
        return pixels.astype(bool)


def touched(zones: list[Zone], detections: Detections) -> np.ndarray:
    """Which instance's mask, not box, has a pixel in which zone: bool [instances, zones]."""
    found = np.zeros((len(detections), len(zones)), bool)
    if zones:
        for row, (crop, left, top) in zip(found, detections.crops(), strict=True):
            window = slice(top, top + crop.shape[0]), slice(left, left + crop.shape[1])
            row[:] = [(crop & zone.pixels(detections.size)[window]).any() for zone in zones]
    return found


def parse_zones(options: list[list[str]]) -> list[Zone]:
    """The zones of all `--zone` options; raises OptionError, also for a name given twice."""
    zones = [Zone.parse(words) for words in options]
    names = [zone.name for zone in zones]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"--zone {name} is given twice: give each zone a name of its own")
    return zones


def _point(name, text):
    x, _, y = text.partition(",")
    try:
        point = float(x), float(y)
    except ValueError:
        point = ()
    if not (point and all(0 <= part <= 1 for part in point)):
        raise OptionError(f"--zone {name}: {text!r} is not x,y in fractions of the frame from 0 to 1, for example 0.25,0.8")
    return point
