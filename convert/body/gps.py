"""Geodesic point similarity, the score DensePose defines (Güler et al. 2018, arXiv 1802.00434), and its average precision.

    GPS = mean over the labelled points of a person of exp(−d² / 2κ²), d along the skin, κ = 0.255 m
    GPSm = √(GPS × IoU of the masks)

Of a bundle's dense head on a set with IUV pictures, as the product finds it:

    python -m edgemask.convert.body.gps BUNDLE renders/people.json [--engine tflite] [--limit 100] [--json]
"""

import argparse
import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np

import edgemask
from edgemask import coco, pictures, rle
from edgemask.arguments import ENGINE_NAMES, count
from edgemask.bundle import SHIPPED
from edgemask.command import exit_code
from edgemask.convert.body.geodesic import Distances
from edgemask.convert.train.dataset import decode
from edgemask.errors import DatasetError, MissingLibrary
from edgemask.evaluate_dense import read_iuv
from edgemask.progress import progress

KAPPA = 0.255
POINTS = 100  # of a person, about as many as DensePose-COCO has
METRICS = ("AP", "AP50", "AP75", "APm", "APl", "AR")


def similarity(truth, prediction) -> float:
    """GPS 0..1 of one person: `truth` and `prediction` are (part, u, v) at the same points, each [N]; part 0 is background.

    Points that the prediction has no part for count 0; without points GPS is 0.
    """
    return gps(Distances.load()(truth, prediction))


def gps(distances) -> float:
    """GPS 0..1 of distances [N] in metres, infinite where no part was predicted."""
    distances = np.asarray(distances, np.float64)
    return float(np.exp(-(distances**2) / (2 * KAPPA**2)).mean()) if distances.size else 0.0


def at_pixels(iuv, x, y):
    """(part, u, v) in labels `iuv` uint8 [H, W, 3] (part, U·255, V·255) at pixels x, y [N]; background outside the picture."""
    x, y = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < iuv.shape[1]) & (y < iuv.shape[0])
    values = np.where(inside[:, None], iuv[np.where(inside, y, 0), np.where(inside, x, 0)], 0)
    return values[:, 0], values[:, 1] / np.float32(255), values[:, 2] / np.float32(255)


def evaluate(truth, predictions, masked: bool = True) -> dict[str, float]:
    """AP and AR of GPSm (GPS where not `masked`) over thresholds 0.50, 0.55 … 0.95, in points of 100; −1 where there is nobody.

    truth: people as dicts {"image_id", "area", "segmentation": RLE, "points": (x, y, part, u, v), each [N]}; one without "points"
    is neither missed nor counted against a detection whose mask lies on it.
    predictions: detections as dicts {"image_id", "score", "segmentation": RLE, "at": callable (x, y) → (part, u, v)}.
    Matching, sizes (APm, APl) and precision are pycocotools'. Raises MissingLibrary.
    """
    try:
        from pycocotools.coco import COCO
    except ImportError as error:
        raise MissingLibrary("GPS needs pycocotools: pip install 'edgemask[coco]'") from error
    images = sorted({one["image_id"] for one in [*truth, *predictions]})
    people = [_row(one, number, iscrowd=int("points" not in one)) for number, one in enumerate(truth, 1)]
    found = [_row(one, number, iscrowd=0) for number, one in enumerate(predictions, 1)]
    sides = []
    with contextlib.redirect_stdout(io.StringIO()):
        for rows in (people, found):
            side = COCO()
            side.dataset = {"images": [{"id": image} for image in images], "annotations": rows, "categories": [{"id": 1}]}
            side.createIndex()
            sides.append(side)
        run = _evaluation(*sides, masked)
        run.evaluate()
        run.accumulate()
    return _summary(run)


def _row(one, number, iscrowd):
    from pycocotools import mask

    area = one.get("area", float(mask.area(one["segmentation"])))
    return {**one, "id": number, "category_id": 1, "area": area, "iscrowd": iscrowd}


def _evaluation(truth, found, masked):
    from pycocotools.cocoeval import COCOeval

    class Evaluation(COCOeval):
        def computeIoU(self, image, category):
            people, detections = self._gts[image, category], self._dts[image, category]
            best = np.argsort([-one["score"] for one in detections], kind="mergesort")[: self.params.maxDets[-1]]
            return _scores([detections[i] for i in best], people, masked) if people and len(best) else []

    run = Evaluation(truth, found, "bbox")
    run.params.areaRng, run.params.areaRngLbl = [[0, 1e10], [32**2, 96**2], [96**2, 1e10]], ["all", "medium", "large"]
    run.params.maxDets = [20]
    return run


def _scores(detections, people, masked):
    """GPSm or GPS [detections, people], for people without points the share of the detection's mask that lies on theirs."""
    from pycocotools import mask

    shapes = ([one["segmentation"] for one in side] for side in (detections, people))
    scores = np.array(mask.iou(*shapes, [one["iscrowd"] for one in people]), np.float64)
    for column, person in enumerate(people):
        if "points" in person:
            x, y, *labels = person["points"]
            same = np.array([similarity(labels, one["at"](x, y)) for one in detections])
            scores[:, column] = np.sqrt(same * scores[:, column]) if masked else same
    return scores


def _summary(run):
    precision, recall = run.eval["precision"], run.eval["recall"]

    def mean(values):
        values = values[values > -1]
        return round(100 * float(values.mean()), 2) if values.size else -1.0

    figures = [precision[:, :, 0, 0], precision[0, :, 0, 0], precision[5, :, 0, 0], precision[:, :, 0, 1], precision[:, :, 0, 2]]
    return dict(zip(METRICS, [*map(mean, figures), mean(recall[:, 0, 0])], strict=True))


def measure(model, path, limit: int | None = None) -> dict[str, float]:
    """`evaluate` of a model with the dense head on a COCO json with IUV pictures, GPS and GPSm: {"GPS AP": …, "GPSm AP": …}.

    Of every person at most a hundred labelled pixels count, drawn at random by the picture's id. Raises DatasetError.
    """
    content, folder = coco.read_truth(path), coco.picture_folder(path)
    truth, found = [], []
    for image in progress(content["images"][:limit], Path(path).stem):
        if "iuv" not in image:
            raise DatasetError(f"{path}: picture {image['file_name']} has no iuv map to compare with")
        iuv, random = read_iuv(Path(path).parent / image["iuv"], image), np.random.default_rng(image["id"])
        for one in (one for one in content["annotations"] if one["image_id"] == image["id"]):
            mask = decode(one["segmentation"], image["width"], image["height"])
            y, x = np.nonzero(iuv[..., 0] * mask)
            chosen = random.permutation(len(x))[:POINTS]
            points = x[chosen], y[chosen], *at_pixels(iuv, x[chosen], y[chosen])
            person = {**one, "segmentation": rle.encode(mask > 0, mask.shape[::-1], 0, 0)}
            truth.append({**person, "points": points} if len(chosen) else person)
        seen = model(pictures.read(folder / image["file_name"]))
        for one, (crop, left, top) in zip(seen.coco(), seen.iuv_crops(), strict=True):
            at = lambda x, y, crop=crop, left=left, top=top: at_pixels(crop, x - left, y - top)  # noqa: E731
            found.append({"image_id": image["id"], "score": one["score"], "segmentation": one["segmentation"], "at": at})
    kinds = {"GPS": evaluate(truth, found, masked=False), "GPSm": evaluate(truth, found)}
    return {f"{kind} {name}": value for kind, figures in kinds.items() for name, value in figures.items()}


def main(arguments=None) -> int:
    """Print the figures; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.body.gps", description=__doc__.splitlines()[0])
    it.add_argument("bundle", nargs="?", default=SHIPPED, help="default: the shipped person model")
    it.add_argument("labels", type=Path, help="COCO json with IUV pictures")
    it.add_argument("--engine", choices=ENGINE_NAMES, default="auto")
    it.add_argument("--limit", type=count, metavar="N", help="the first N pictures")
    it.add_argument("--json", action="store_true")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    figures = measure(edgemask.load(options.bundle, options.engine, dense=True), options.labels, options.limit)
    print(json.dumps(figures) if options.json else "\n".join(f"{name:10} {value:6.1f}" for name, value in figures.items()))


if __name__ == "__main__":
    sys.exit(main())
