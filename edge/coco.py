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
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path} is neither a folder nor a COCO json: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DatasetError(f"{path} is JSON, but has no list of images as a COCO file does")
    for index, image in enumerate(content["images"]):
        if not isinstance(image, dict) or not isinstance(image.get("file_name"), str):
            raise DatasetError(f"{path}: images[{index}] has no file_name")
    return content


def read_truth(path) -> dict:
    """A COCO json that something can be measured against: every entry checked, optional ones filled in.

    Annotations are numbered anew from 1, because pycocotools takes an id of 0 for no match. Raises DatasetError.
    """
    content = read(path)
    for section in ("images", "annotations", "categories"):
        if not isinstance(content.get(section), list) or not content[section]:
            raise DatasetError(f"{path} has no {section} to measure against")
    ids = {}
    for section, wanted in (("images", ("id", "width", "height")), ("categories", ("id", "name"))):
        for index, entry in enumerate(content[section]):
            if missing := [key for key in wanted if not isinstance(entry, dict) or key not in entry]:
                raise DatasetError(f"{path}: {section}[{index}] has no {missing[0]}")
        ids[section] = {entry["id"] for entry in content[section]}
    annotations = [
        _annotation(entry, index, ids, path) for index, entry in enumerate(content["annotations"])
    ]
    return {**content, "annotations": annotations}


def _annotation(entry, index, ids, path):
    where = f"{path}: annotations[{index}]"
    wanted = ("image_id", "category_id", "bbox", "segmentation")
    if missing := [key for key in wanted if not isinstance(entry, dict) or key not in entry]:
        raise DatasetError(f"{where} has no {missing[0]}")
    for key, section in (("image_id", "images"), ("category_id", "categories")):
        if entry[key] not in ids[section]:
            raise DatasetError(f"{where} has {key} {entry[key]!r}, which is none of the {section}")
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, (int, float)) for side in box):
        raise DatasetError(f"{where} has bbox {str(box)[:40]!r}, not [x, y, width, height]")
    if not isinstance(entry["segmentation"], (list, dict)):
        raise DatasetError(f"{where} has a segmentation that is neither polygons nor RLE")
    return {"iscrowd": 0, "area": box[2] * box[3], **entry, "id": index + 1}


def picture_folder(path) -> Path:
    """The folder with a COCO json's pictures: `train/` beside `train.json`, else the json's own folder."""
    path = Path(path)
    return path.with_suffix("") if path.with_suffix("").is_dir() else path.parent
