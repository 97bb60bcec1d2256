"""Calibration sets: which pictures the ranges are taken from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemask import coco, pictures
from edgemask.cameras import open_camera
from edgemask.errors import DatasetError, SourceError
from edgemask.perceptual import Novelty


@dataclass(frozen=True)
class CalibrationSet:
    """Pictures chosen from a source: `items` are paths, or frames of a video as uint8 RGB; `note` says how many were
    kept and why."""

    name: str
    items: list
    note: str

    def split(self, every: int) -> tuple["CalibrationSet", "CalibrationSet"]:
        """(the set without every n-th item, every n-th item); a set too small to split is used for both."""
        apart = self.items[::every]
        rest = [item for index, item in enumerate(self.items) if index % every] or self.items
        return CalibrationSet(self.name, rest, self.note), CalibrationSet(self.name, apart, self.note)

    def spread(self, count: int) -> "CalibrationSet":
        """At most `count` items, evenly spread."""
        return CalibrationSet(self.name, _spread(self.items, count), self.note)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The pictures, uint8 [h, w, 3] RGB, read one at a time."""
        return map(_read, self.items)


def choose(source, count: int) -> CalibrationSet:
    """At most `count` pictures spread evenly over a folder, a video or a COCO json, near-duplicates left out.

    Raises DatasetError or SourceError.
    """
    source = Path(source)
    if source.is_dir():
        found = pictures.listing(source)
    elif source.suffix.lower() == ".json":
        folder = coco.picture_folder(source)
        found = [folder / image["file_name"] for image in coco.read(source)["images"]]
    else:
        found = _frames(source, 3 * count)
    candidates, kept, unreadable, alike, new = _spread(found, 3 * count), [], 0, 0, Novelty()
    # Round by round, so that a set full of near-duplicates is still drawn from evenly.
    for item in (one for start in range(3) for one in candidates[start::3]):
        if len(kept) == count:
            break
        try:
            fresh = new(_read(item))
        except SourceError:
            unreadable += 1
            continue
        alike += not fresh
        kept += [item] if fresh else []
    if not kept:
        raise DatasetError(f"{source} holds no picture that can be read, so there is nothing to calibrate with")
    note = f"{len(kept)} of {len(found)} pictures: {alike} near-duplicates and {unreadable} unreadable ones left out"
    return CalibrationSet(source.name, kept, f"{note}, the others not needed" if len(kept) == count else note)


def _spread(items, count):
    step = max(1.0, len(items) / count)
    return [items[int(index * step)] for index in range(min(count, len(items)))]


def _frames(source, count):
    """At most `count` frames of a video, evenly spread."""
    camera = open_camera(str(source))
    step = max(1, len(camera) // count)
    return [frame.rgb for frame in camera if frame.number % step == 0]


def _read(item):
    return item if isinstance(item, np.ndarray) else pictures.read(item)
