"""Calibration sets: which pictures the ranges are taken from."""

from pathlib import Path

from edgemask import coco, pictures
from edgemask.errors import DatasetError


def choose(source, count: int) -> list[Path]:
    """At most `count` pictures spread evenly over a folder or a COCO json; raises DatasetError or SourceError."""
    source = Path(source)
    if source.is_dir():
        found = pictures.listing(source)
    else:
        folder = coco.picture_folder(source)
        found = [folder / image["file_name"] for image in coco.read(source)["images"]]
    if not found:
        raise DatasetError(f"{source} lists no pictures to calibrate with")
    step = max(1.0, len(found) / count)
    return [found[int(index * step)] for index in range(min(count, len(found)))]
