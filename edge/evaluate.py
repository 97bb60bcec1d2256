"""COCO accuracy of a model: boxes and masks, by pycocotools."""

import contextlib
import io
from importlib import metadata
from pathlib import Path

from edgemask import coco, pictures
from edgemask.errors import DatasetError, MissingLibrary
from edgemask.model import Model

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


def evaluate(model: Model, annotations, images=None, limit: int | None = None, progress=iter) -> dict:
    """Box and mask AP, in points of 100.

    annotations: a COCO json; images: its pictures' folder (`val/` beside `val.json`, else the json's own
    folder when None); limit: only the first so many pictures; progress: wraps the list of pictures.
    Returns {"box": {"AP": …, "AP50", "AP75", "APs", "APm", "APl"}, "mask": {…}, "pictures", "evaluator", …};
    −1 where the set has no such object. Raises DatasetError, SourceError or MissingLibrary.
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
    measured = {
        kind: _average_precision(truth, results, chosen, list(category_ids.values()), iou)
        for kind, iou in (("box", "bbox"), ("mask", "segm"))
    }
    return {
        **measured,
        "pictures": len(chosen),
        "set": Path(annotations).name,
        "input": [model.width, model.height],
        "engine": model.engine,
        "evaluator": f"pycocotools {metadata.version('pycocotools')}",
    }


def _ground_truth(annotations):
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise MissingLibrary("accuracy needs pycocotools: pip install 'edgemask[coco]'") from error
    content = coco.read(annotations)
    if not content.get("annotations") or not content.get("categories"):
        raise DatasetError(f"{annotations} has no annotations or no categories to measure against")
    truth = COCO()
    truth.dataset = content
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth


def _category_ids(truth, classes, annotations):
    ids = {category["name"]: category["id"] for category in truth.dataset["categories"]}
    if missing := [name for name in classes if name not in ids]:
        raise DatasetError(f"{annotations} has no category named {missing[0]!r}; it has {', '.join(ids)}")
    return {name: ids[name] for name in classes}


def _average_precision(truth, results, image_ids, category_ids, iou):
    from pycocotools.cocoeval import COCOeval

    if not results:
        return dict.fromkeys(METRICS, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        # For masks loadRes takes each result's area from its RLE, so that sizes are the masks' own.
        boxless = [{k: v for k, v in result.items() if iou == "bbox" or k != "bbox"} for result in results]
        evaluation = COCOeval(truth, truth.loadRes(boxless), iou)
        evaluation.params.imgIds = list(image_ids)
        evaluation.params.catIds = category_ids
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = (100 * value if value >= 0 else -1.0 for value in evaluation.stats)
    return {name: round(float(value), 2) for name, value in zip(METRICS, values, strict=False)}
