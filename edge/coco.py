"""COCO-format data sets: the json, and where its pictures are."""

import json
from pathlib import Path

from edgemask.errors import DatasetError


def read(path) -> dict:
    """A COCO json with images, annotations and categories; raises DatasetError."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DatasetError(f"{path} is neither a folder nor a COCO json: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DatasetError(f"{path} is JSON, but has no list of images as a COCO file does")
    return content


def picture_folder(path) -> Path:
    """The folder with a COCO json's pictures: `train/` beside `train.json`, else the json's own folder."""
    path = Path(path)
    return path.with_suffix("") if path.with_suffix("").is_dir() else path.parent
