"""How right body parts are: against IUV pictures, and against people's keypoints."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from edgemask import boxes, coco, keypoints, pictures, rle
from edgemask.detections import Detections
from edgemask.errors import DatasetError
from edgemask.evaluate import SAMPLES
from edgemask.model import Model
from edgemask.parts import COUNT, NAMES

MATCH = 0.5  # least IoU of a detection's box with a person's
# What is counted in each picture, and how many numbers that is.
COUNTS = {"people": 1, "found": 1, "confusion": (COUNT + 1) ** 2, "u": 1, "v": 1, "sides": 2, "sides_right": 2,
          **dict.fromkeys(("visible", "seen", "right", "any_side"), len(keypoints.NAMES))}  # fmt: skip
# Figures in points of 100, from the counts of some pictures.
KINDS = {
    "part mIoU": lambda counts: 100 * _mean(part_ious(counts)),
    "|ΔU|": lambda counts: _share(counts["u"], _right_pixels(counts)),
    "|ΔV|": lambda counts: _share(counts["v"], _right_pixels(counts)),
    "keypoint in part": lambda counts: _share(counts["right"], counts["seen"]),
    "keypoint in part of any side": lambda counts: _share(counts["any_side"], counts["seen"]),
    "seen from behind, shows its back": lambda counts: _share(counts["sides_right"][0], counts["sides"][0]),
    "seen from the front, shows its front": lambda counts: _share(counts["sides_right"][1], counts["sides"][1]),
}


@dataclass(frozen=True)
class DenseEvaluation:
    """One model measured: `rows` float64 [pictures, …] are what each picture adds to `COUNTS`; `about` goes into the summary."""

    rows: np.ndarray
    about: dict

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """Each of `KINDS` that the set can tell: over all pictures, then over each of `SAMPLES` draws of them with
        replacement, which are the same for every evaluation of as many pictures."""
        count = len(self.rows)
        draws = np.random.default_rng(0).integers(0, count, (SAMPLES, count))
        weights = np.stack([np.ones(count), *(np.bincount(draw, minlength=count) for draw in draws)])
        totals = [_named(total) for total in weights @ self.rows]
        found = {kind: np.array([figure(counts) for counts in totals]) for kind, figure in KINDS.items()}
        return {kind: values for kind, values in found.items() if not np.isnan(values[0])}

    @cached_property
    def summary(self) -> dict:
        """{"figures": {kind: {"value", "low", "high"}}, "people", "found", "parts": IoU by part, "keypoints": …, "set", …}.

        Points of 100; low and high are the 95 % interval, by bootstrap over pictures, for a keypoint by Wilson's (1927).
        """
        counts, figures = _named(self.rows.sum(axis=0)), {}
        for kind, values in self.resampled.items():
            ends = np.nanpercentile(values[1:], [2.5, 97.5])
            figures[kind] = {name: _rounded(one) for name, one in zip(("value", "low", "high"), (values[0], *ends), strict=True)}
        ious = zip(NAMES[1:], 100 * part_ious(counts), strict=True)
        points = [(name, index) for index, name in enumerate(keypoints.NAMES) if counts["visible"][index]]
        return {
            "figures": figures, "people": int(counts["people"][0]), "found": int(counts["found"][0]),
            "parts": {name: _rounded(iou) for name, iou in ious if not np.isnan(iou)},
            "keypoints": {name: _keypoint(counts, index) for name, index in points},
            **self.about,
        }  # fmt: skip


def evaluate_dense(model: Model, annotations, images=None, limit: int | None = None, progress=iter) -> DenseEvaluation:
    """Body parts of a model with the dense head.

    annotations: a COCO json with IUV pictures (`images[].iuv`, a path relative to it: 8-bit RGB PNG of the picture's size,
    red the part, green U · 255, blue V · 255, 0 where nothing is labelled), keypoints, or both; images, limit, progress: as of
    `evaluate`. A detection belongs to a person when their boxes' IoU is 0.5 or more, the best score first; whose pixel a
    label is says the person's mask, and what a mask holds without a label is left out. Raises DatasetError, SourceError.
    """
    content = coco.read_truth(annotations)
    folder = Path(images) if images else coco.picture_folder(annotations)
    chosen = sorted(content["images"], key=lambda image: image["id"])[:limit]
    people = _people(content, model.bundle.classes, annotations)
    rows = []
    for image in progress(chosen):
        truth = read_iuv(Path(annotations).parent / image["iuv"], image) if "iuv" in image else None
        found = model(pictures.read(folder / image["file_name"]))
        rows.append(np.concatenate(list(_counted(found, people.get(image["id"], []), truth).values())))
    about = {"pictures": len(chosen), "set": Path(annotations).name, "input": [model.width, model.height], "engine": model.engine}
    return DenseEvaluation(np.array(rows), about)


def part_ious(counts: dict) -> np.ndarray:
    """IoU of each part over all pixels of the people who were found, [24]; NaN where it was neither labelled nor found."""
    table = counts["confusion"].reshape(COUNT + 1, COUNT + 1)
    hits, either = np.diag(table)[1:], table.sum(axis=0)[1:] + table.sum(axis=1)[1:] - np.diag(table)[1:]
    return np.divide(hits, either, out=np.full(COUNT, np.nan), where=either > 0)


def _people(content, classes, annotations):
    """Who is to be found, by picture."""
    ids = {category["id"]: category for category in content["categories"] if category["name"] in classes}
    people = [one for one in content["annotations"] if one["category_id"] in ids and not one["iscrowd"]]
    if not any("iuv" in image for image in content["images"]) and not any(one.get("keypoints") for one in people):
        raise DatasetError(f"{annotations} has neither IUV pictures (images[].iuv) nor keypoints of {', '.join(classes)}")
    found = {}
    for one in people:
        where = f"{annotations}: an annotation of picture {one['image_id']}"
        names = ids[one["category_id"]].get("keypoints", keypoints.NAMES)
        points = np.array(one.get("keypoints") or [0] * 3 * len(names), float).reshape(-1, 3)
        if len(points) != len(names):
            raise DatasetError(f"{where} has {len(points)} keypoints, not {len(names)}")
        if not isinstance(one["segmentation"], dict) or not isinstance(one["segmentation"].get("counts"), str):
            raise DatasetError(f"{where} has a mask that is no compressed RLE")
        found.setdefault(one["image_id"], []).append({**one, "points": dict(zip(names, points, strict=True))})
    return found


def read_iuv(path, image: dict) -> np.ndarray:
    """An IUV picture, uint8 [height, width, 3] of part, U · 255, V · 255, of a COCO json's image; raises DatasetError."""
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.shape != (image["height"], image["width"], 3) or picture.dtype != np.uint8:
        raise DatasetError(f"{path} is no 8-bit RGB picture of {image['width']}x{image['height']} pixels with part, U and V")
    if picture[..., 2].max() > COUNT:
        raise DatasetError(f"{path} has a part {picture[..., 2].max()}, and there are {COUNT}")
    return picture[..., ::-1]


def _counted(detections: Detections, people, truth):
    """What one picture adds to `COUNTS`."""
    counts = {name: np.zeros(size) for name, size in COUNTS.items()}
    rows = _matched(detections, people)
    crops = dict(zip(rows, detections[list(rows)].iuv_crops(), strict=False))
    counts["people"] += len(people)
    counts["found"] += len(rows)
    for row, index in rows.items():
        seen = np.zeros((detections.size[1], detections.size[0], 3), np.uint8)
        crop, left, top = crops[row]
        seen[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        _count_keypoints(counts, people[index], seen[..., 0])
        _count_side(counts, people[index], crop[..., 0])
        if truth is not None:
            _count_pixels(counts, rle.decode(people[index]["segmentation"]), truth, seen)
    for person in people:
        counts["visible"] += [person["points"].get(name, (0, 0, 0))[2] == 2 for name in keypoints.NAMES]
    return counts


def _matched(detections, people):
    """{Index of a detection: index of the person it is}, the best score first."""
    corners = np.array([person["bbox"] for person in people], np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    free, found = np.ones(len(people), bool), {}
    for row in np.argsort(-detections.scores, kind="stable"):
        overlaps = boxes.iou(detections.boxes[row], corners) * free
        if len(people) and overlaps.max() >= MATCH:
            found[int(row)] = int(overlaps.argmax())
            free[overlaps.argmax()] = False
    return found


def _count_keypoints(counts, person, parts):
    for index, name in enumerate(keypoints.NAMES):
        x, y, visibility = person["points"].get(name, (0, 0, 0))
        if visibility == 2:
            row, column = (int(np.clip(place, 0, size - 1)) for place, size in zip((y, x), parts.shape, strict=True))
            part, allowed = int(parts[row, column]), keypoints.ALLOWED[name]
            counts["seen"][index] += 1
            counts["right"][index] += part in allowed
            counts["any_side"][index] += part in allowed | keypoints.mirrored(allowed)


def _count_side(counts, person, parts):
    """Whether more of the trunk is seen on the side that keypoints say is shown (`keypoints.facing`)."""
    sides = keypoints.BACK, keypoints.FRONT
    if shown := keypoints.facing([person["points"].get(name, (0, 0, 0)) for name in keypoints.NAMES]):
        index, pixels = sides.index(shown), [(parts == side).sum() for side in sides]
        counts["sides"][index] += 1
        counts["sides_right"][index] += pixels[index] > pixels[1 - index]


def _count_pixels(counts, mask, truth, seen):
    labels = truth[..., 0] * mask
    counted = (labels > 0) | ((seen[..., 0] > 0) & ~mask)
    pairs = labels[counted].astype(np.intp) * (COUNT + 1) + seen[..., 0][counted]
    counts["confusion"] += np.bincount(pairs, minlength=(COUNT + 1) ** 2)
    right = (labels > 0) & (labels == seen[..., 0])
    for name, channel in (("u", 1), ("v", 2)):
        counts[name] += np.abs(truth[..., channel][right].astype(int) - seen[..., channel][right]).sum() / 255


def _named(row):
    ends = np.cumsum(list(COUNTS.values()))
    return dict(zip(COUNTS, np.split(row, ends[:-1]), strict=True))


def _right_pixels(counts):
    return np.diag(counts["confusion"].reshape(COUNT + 1, COUNT + 1))[1:]


def _share(some, of) -> float:
    return 100 * float(some.sum()) / float(of.sum()) if of.sum() else np.nan


def _mean(values):
    return float(np.nanmean(values)) if not np.isnan(values).all() else np.nan


def _keypoint(counts, index):
    found = {name: int(counts[name][index]) for name in ("visible", "seen", "right", "any_side")}
    low, high = _wilson(found["right"], found["seen"])
    return {**found, "low": _rounded(100 * low), "high": _rounded(100 * high)}


def _wilson(hits, of, z=1.96):
    if not of:
        return 0.0, 1.0
    middle, spread = hits / of + z**2 / (2 * of), z * np.sqrt(hits / of * (1 - hits / of) / of + z**2 / (4 * of**2))
    return tuple((middle + side * spread) / (1 + z**2 / of) for side in (-1, 1))


def _rounded(value):
    return round(float(value), 2)
