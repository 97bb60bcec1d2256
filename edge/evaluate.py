"""COCO accuracy of a model: boxes and masks, by pycocotools, and how sure a difference is."""

import contextlib
import copy
import io
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path

import numpy as np

from edgemask import coco, pictures
from edgemask.errors import DatasetError, MissingLibrary
from edgemask.model import Model

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
KINDS = {"box": "bbox", "mask": "segm"}
SAMPLES = 1000


@dataclass(frozen=True)
class Evaluation:
    """One model measured: `summary` {"box": {"AP": …, "AP50", "AP75", "APs", "APm", "APl"}, "mask": {…}, "pictures",
    "evaluator", …} in points of 100, −1 where the set has no such object; `runs` the pycocotools evaluations by kind."""

    summary: dict
    runs: dict

    @cached_property
    def resampled(self) -> dict[str, np.ndarray]:
        """AP in points by kind: over all pictures, then over each of `SAMPLES` draws of them with replacement, which are
        the same for every evaluation of as many pictures."""
        count = len(next(iter(self.runs.values())).params.imgIds)
        draws = np.random.default_rng(0).integers(0, count, (SAMPLES, count))
        return {kind: np.array([_resampled(run, draw) for draw in (range(count), *draws)]) for kind, run in self.runs.items()}


def evaluate(model: Model, annotations, images=None, limit: int | None = None, progress=iter) -> Evaluation:
    """Box and mask AP of a model.

    annotations: a COCO json; images: its pictures' folder (`val/` beside `val.json`, else the json's own
    folder when None); limit: only the first so many pictures; progress: wraps the list of pictures.
    Raises DatasetError, SourceError or MissingLibrary.
    """
    truth = _ground_truth(annotations)
    category_ids = _category_ids(truth, model.bundle.classes, annotations)
    folder = Path(images) if images else coco.picture_folder(annotations)
    chosen = sorted(truth.imgs)[:limit]
    results = []
    for image_id in progress(chosen):
        rgb = pictures.read(folder / truth.imgs[image_id]["file_name"])
        for record in model(rgb).coco():
            results.append({**record, "image_id": image_id, "category_id": category_ids[record["category"]]})
    runs = {kind: _run(truth, results, chosen, list(category_ids.values()), iou) for kind, iou in KINDS.items()}
    summary = {
        **{kind: _metrics(run) for kind, run in runs.items()},
        "pictures": len(chosen),
        "set": Path(annotations).name,
        "input": [model.width, model.height],
        "engine": model.engine,
        "evaluator": f"pycocotools {metadata.version('pycocotools')}",
    }
    return Evaluation(summary, runs)


def difference(one: Evaluation, other: Evaluation, kind: str) -> tuple[float, float, float]:
    """AP of `one` less that of `other` in points, and its 95 % interval: (difference, low, high).

    A paired bootstrap over pictures (Efron 1979): both are measured again on the same draws, of which those with nothing to
    measure say nothing.
    """
    gaps = one.resampled[kind] - other.resampled[kind]
    low, high = np.nanpercentile(gaps[1:], [2.5, 97.5])
    return float(gaps[0]), float(low), float(high)


def _ground_truth(annotations):
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise MissingLibrary("accuracy needs pycocotools: pip install 'edgemask[coco]'") from error
    return _indexed(COCO(), coco.read_truth(annotations))


def _indexed(api, content):
    api.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        api.createIndex()
    return api


def _category_ids(truth, classes, annotations):
    ids = {category["name"]: category["id"] for category in truth.dataset["categories"]}
    if missing := [name for name in classes if name not in ids]:
        raise DatasetError(f"{annotations} has no category named {missing[0]!r}; it has {', '.join(ids)}")
    return {name: ids[name] for name in classes}


def _run(truth, results, image_ids, category_ids, iou):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    # For masks loadRes takes each result's area from its RLE when there is no box, so that sizes are the masks' own;
    # and a mask has a score of its own, as in Mask Scoring R-CNN (Huang et al. 2019).
    if iou == "segm":
        rows = [{**{k: v for k, v in one.items() if k != "bbox"}, "score": one["mask_score"]} for one in results]
    else:
        rows = results
    with contextlib.redirect_stdout(io.StringIO()):
        found = truth.loadRes(rows) if rows else _indexed(COCO(), {**truth.dataset, "annotations": []})
        run = COCOeval(truth, found, iou)
        run.params.imgIds, run.params.catIds = list(image_ids), category_ids
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run


def _metrics(run):
    values = (100 * value if value >= 0 else -1.0 for value in run.stats)
    return {name: round(float(value), 2) for name, value in zip(METRICS, values, strict=False)}


def _resampled(run, draw) -> float:
    """AP over all sizes of the drawn pictures, in points."""
    again, everything = copy.copy(run), copy.copy(run.params)
    everything.areaRng, everything.areaRngLbl = run.params.areaRng[:1], run.params.areaRngLbl[:1]
    everything.maxDets = run.params.maxDets[-1:]
    again.params = again._paramsEval = everything
    count, sizes = len(run.params.imgIds), len(run.params.areaRng)
    classes = range(len(run.params.catIds))
    again.evalImgs = [run.evalImgs[(index * sizes) * count + picture] for index in classes for picture in draw]
    with contextlib.redirect_stdout(io.StringIO()):
        again.accumulate()
    precision = again.eval["precision"]
    return float(100 * precision[precision > -1].mean()) if (precision > -1).any() else 0.0
