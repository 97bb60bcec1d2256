"""Calibration sets: which pictures the ranges are taken from."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from edgemask import coco, pictures
from edgemask.cameras import open_camera
from edgemask.errors import DatasetError, OutputError, SourceError
from edgemask.perceptual import Novelty


@dataclass(frozen=True)
class CalibrationSet:
    """Pictures chosen from a source: `items` are their paths; `note` says how many were kept and why; `folder` holds a
    video's frames as long as the set is there."""

    name: str
    items: list[Path]
    note: str
    folder: tempfile.TemporaryDirectory | None = None

    def split(self, every: int) -> tuple["CalibrationSet", "CalibrationSet"]:
        """(the set without every n-th item, every n-th item); a set too small to split is used for both."""
        apart = self.items[::every]
        rest = [item for index, item in enumerate(self.items) if index % every] or self.items
        return replace(self, items=rest), replace(self, items=apart)

    def spread(self, count: int) -> "CalibrationSet":
        """At most `count` items, evenly spread."""
        return replace(self, items=_spread(self.items, count))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The pictures, uint8 [h, w, 3] RGB, read one at a time."""
        return map(pictures.read, self.items)


def choose(source, count: int) -> CalibrationSet:
    """At most `count` pictures spread evenly over a folder, a video or a COCO json, near-duplicates left out.

    Raises DatasetError or SourceError.
    """
    source, frames = Path(source), None
    if source.is_dir():
        found = pictures.listing(source)
    elif source.suffix.lower() == ".json":
        folder = coco.picture_folder(source)
        found = [folder / image["file_name"] for image in coco.read(source)["images"]]
    else:
        frames = tempfile.TemporaryDirectory(prefix="edgemask-frames-")
        found = _frames(source, 3 * count, Path(frames.name))
    candidates, kept, unreadable, alike, new = _spread(found, 3 * count), [], 0, 0, Novelty()
    # Round by round, so that a set full of near-duplicates is still drawn from evenly.
    for item in (one for start in range(3) for one in candidates[start::3]):
        if len(kept) == count:
            break
        try:
            fresh = new(pictures.read(item))
        except SourceError:
            unreadable += 1
            continue
        alike += not fresh
        kept += [item] if fresh else []
    if not kept:
        raise DatasetError(f"{source} holds no picture that can be read, so there is nothing to calibrate with")
    note = f"{len(kept)} of {len(found)} pictures: {alike} near-duplicates and {unreadable} unreadable ones left out"
    return CalibrationSet(source.name, kept, f"{note}, the others not needed" if len(kept) == count else note, frames)


def _spread(items, count):
    step = max(1.0, len(items) / count)
    return [items[int(index * step)] for index in range(min(count, len(items)))]


def _frames(source, count, folder):
    """At most `count` frames of a video, evenly spread, on disk: memory must not grow with the set."""
    camera, paths = open_camera(str(source)), []
    step = max(1, len(camera) // count)
    for frame in camera:
        if frame.number % step == 0:
            paths.append(folder / f"frame-{frame.number:06}.png")
            bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
            if not cv2.imwrite(str(paths[-1]), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
                raise OutputError(f"{paths[-1]} cannot be written: is the disk full?")
    return paths
