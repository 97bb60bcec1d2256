"""Photographs with dense labels: the body fitted to people of a COCO set and drawn as part, U and V on their pixels.

    python -m edgemask.convert.body.fit person/train.json OUT [--limit N] [--json]

Writes OUT/fits.json (COCO, images[].iuv names the labels), OUT/fits/, OUT/fits_iuv/ and OUT/poses.npz.
"""

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from edgemask import coco
from edgemask.convert.body import smplify, weak
from edgemask.convert.body.labels import LabelRenderer
from edgemask.convert.body.model import body_model
from edgemask.convert.body.reduced import reduced_body
from edgemask.convert.body.targets import Person, Targets
from edgemask.convert.train.dataset import decode
from edgemask.errors import DatasetError, EdgemaskError, OptionError, OutputError
from edgemask.files import replacing
from edgemask.progress import progress

BATCH = 64
LEAST_KEYPOINTS, LEAST_HEIGHT = 8, 96
# What a fit has to reach: so many of the visible keypoints within MOST_MISS of the box's longer side, silhouettes, and, of the
# pixels where keypoints say which parts may be, so many whose part is among them.
MOST_MISS, LEAST_LANDED, LEAST_IOU, LEAST_AGREEMENT = 0.05, 0.9, 0.75, 0.8
LIMBS = ((weak.UPPER_ARM, (weak.SHOULDER, weak.ELBOW)), (weak.LOWER_ARM, (weak.ELBOW, weak.WRIST)), (weak.HAND, (weak.WRIST,)),
         (weak.THIGH, (weak.HIP, weak.KNEE)), (weak.SHIN, (weak.KNEE, weak.ANKLE)), (weak.FOOT, (weak.ANKLE,)))  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """Mean miss of the visible keypoints over the box's longer side; the share of them that landed; iou of silhouettes, with what
    is off the mask of limbs without keypoints left out; agreement of parts."""

    miss: float
    landed: float
    iou: float
    agreement: float

    @property
    def good(self) -> bool:
        return self.landed >= LEAST_LANDED and self.iou >= LEAST_IOU and self.agreement >= LEAST_AGREEMENT


@dataclass(frozen=True)
class Fitted:
    """A person as a body: iuv uint8 [H, W, 3] and what `poses.npz` keeps of it."""

    quality: Quality
    iuv: np.ndarray
    turns: np.ndarray
    phenotypes: np.ndarray
    translation: np.ndarray
    focal: float


def candidates(content: dict) -> list[tuple[dict, dict]]:
    """(annotation, image) of a COCO set's people with a mask, LEAST_KEYPOINTS labelled keypoints and LEAST_HEIGHT pixels."""
    images = {image["id"]: image for image in content["images"]}
    return [(one, images[one["image_id"]]) for one in content.get("annotations") or []
            if one.get("segmentation") and not one.get("iscrowd") and one["bbox"][3] >= LEAST_HEIGHT
            and len(one.get("keypoints") or ()) == 51 and np.count_nonzero(one["keypoints"][2::3]) >= LEAST_KEYPOINTS]  # fmt: skip


def person(annotation: dict, image: dict) -> Person:
    """What a fit takes of an annotation."""
    keypoints = np.array(annotation["keypoints"], float).reshape(17, 3)
    return Person(keypoints, decode(annotation["segmentation"], image["width"], image["height"]).astype(bool), tuple(annotation["bbox"]))


def fit_people(people: list[Person], renderer: LabelRenderer) -> list[Fitted]:
    """The bodies of up to a batch of people, good or not."""
    import roma
    import torch

    body = reduced_body()
    targets = Targets.of(people, [body.bones[one] for one in body.bone])
    found = smplify.fit(body, targets)
    with torch.no_grad():
        poses, shapes = body.rotations(found.root(), found.angles), found.phenotypes()
        _, keypoints = body(found.root(), found.angles, shapes)
        miss = (smplify.project(keypoints, found, targets) - targets.keypoints).norm(dim=-1).numpy()
        places, turns = found.translation(targets.focal).numpy(), roma.rotmat_to_rotvec(poses[..., :3, :3]).numpy()
        fitted = []
        for index, one in enumerate(people):
            vertices = body_model()(poses[index : index + 1].double(), phenotype_kwargs=shapes[index : index + 1].double())["vertices"][0]
            seen = smplify.to_camera(vertices).numpy() + places[index]
            quality, iuv = _drawn(one, miss[index], renderer(seen, one.focal, one.mask.shape[::-1]))
            fitted.append(Fitted(quality, iuv, turns[index], shapes[index].numpy(), places[index], one.focal))
    return fitted


def _drawn(person, miss, drawn):
    """How good a drawn body is, and its labels: only on the mask, and not where no keypoint vouches for the part."""
    part, u, v = drawn
    height, width = person.mask.shape
    allowed, _ = weak.labels(person.keypoints, person.mask, np.arange(width) + 0.5, np.arange(height) + 0.5)
    possible = (allowed >> part) & 1 == 1
    stated, seen = (allowed > 0) & (part > 0), person.keypoints[:, 2]
    # A limb behind a table is no part of the mask and may be anywhere.
    union = np.count_nonzero(person.mask | ((part > 0) & ~np.isin(part, _limbs_at(seen == 0))))
    visible = miss[seen == seen.max()]
    quality = Quality(float(visible.mean()), float((visible <= MOST_MISS).mean()), float(np.count_nonzero(person.mask & (part > 0)) / union),
                      float(possible[stated].mean()) if stated.any() else 0.0)  # fmt: skip
    doubtful = np.isin(part, _limbs_at((seen == 0) | (miss > MOST_MISS)))
    keep = person.mask & ~doubtful & (possible | (allowed == 0))
    return quality, np.dstack([part, np.rint(u * 255), np.rint(v * 255)]).astype(np.uint8) * keep[..., None]


def _limbs_at(keypoints):
    """The parts of limbs that hang on any of these keypoints, bool [17]."""
    found = 0
    for side in (0, 1):
        for bits, joints in LIMBS:
            if any(keypoints[joint + side] for joint in joints):
                found |= bits[side]
    return [part for part in range(1, 25) if found >> part & 1]


class Set:
    """The label set as it grows: fits/, fits_iuv/ and, at the end, fits.json and poses.npz."""

    def __init__(self, content: dict, source: Path, folder: Path):
        self.content, self.source, self.folder = content, coco.picture_folder(source), folder
        self.labels, self.kept = {}, []
        for name in ("fits", "fits_iuv"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def add(self, annotation: dict, image: dict, fitted: Fitted):
        """One more person of a picture."""
        if image["id"] not in self.labels:
            shutil.copyfile(self.source / image["file_name"], self.folder / "fits" / image["file_name"])
            self.labels[image["id"]] = np.zeros_like(fitted.iuv)
        iuv = self.labels[image["id"]]
        np.copyto(iuv, fitted.iuv, where=fitted.iuv[..., :1] > 0)
        if not cv2.imwrite(str(self.folder / _name(image)), iuv[..., ::-1]):
            raise OutputError(f"{self.folder / _name(image)} cannot be written: is the disk full?")
        self.kept.append((annotation, fitted))

    def close(self):
        """Every person of these pictures is in fits.json, and says with `fit` whether and how well it was fitted."""
        fits = {annotation["id"]: {"fit": asdict(fitted.quality)} for annotation, fitted in self.kept}
        images = [{**image, "iuv": _name(image)} for image in self.content["images"] if image["id"] in self.labels]
        rows = [{**one, **fits.get(one["id"], {})} for one in self.content["annotations"] if one["image_id"] in self.labels]
        with replacing(self.folder / "fits.json") as temporary:
            temporary.write_text(json.dumps({"images": images, "annotations": rows, "categories": self.content["categories"]}))
        with replacing(self.folder / "poses.npz") as temporary:
            np.savez_compressed(temporary, annotation=[annotation["id"] for annotation, _ in self.kept], phenotype_labels=body_model().phenotype_labels,
                                **{key: np.array([getattr(fitted, key) for _, fitted in self.kept], np.float32)
                                   for key in ("turns", "phenotypes", "translation", "focal")})  # fmt: skip


def _name(image):
    return f"fits_iuv/{image['id']:06}.png"


def main(arguments=None) -> int:
    """Fit the people; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.body.fit", description=__doc__.splitlines()[0])
    it.add_argument("labels", type=Path, metavar="TRAIN.json", help="COCO, with keypoints and masks; its pictures beside it")
    it.add_argument("out", type=Path, metavar="OUT")
    it.add_argument("--limit", type=int, metavar="N", help="only N people, drawn with a fixed seed")
    it.add_argument("--json", action="store_true", help="every person's quality, for programs")
    # Read by OpenMP when torch loads it: threads that spin while they wait take the processor from whoever else has work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        print(_run(it.parse_args(arguments)))
    except EdgemaskError as error:
        print(f"edgemask: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _run(options):
    if options.limit is not None and options.limit < 1:
        raise OptionError("--limit is at least 1")
    content = coco.read(options.labels)
    found = candidates(content)
    if not found:
        raise DatasetError(f"{options.labels} has nobody with a mask, {LEAST_KEYPOINTS} keypoints and {LEAST_HEIGHT} pixels of height")
    order = np.random.default_rng(0).permutation(len(found))[: options.limit]
    chosen = [found[index] for index in order]
    renderer, kept, qualities = LabelRenderer(), Set(content, options.labels, options.out), []
    for start in progress(range(0, len(chosen), BATCH), f"batches of {BATCH} people"):
        batch = chosen[start : start + BATCH]
        for (annotation, image), fitted in zip(batch, fit_people([person(*one) for one in batch], renderer)):
            qualities.append({"annotation": annotation["id"], "kept": fitted.quality.good, **asdict(fitted.quality)})
            if fitted.quality.good:
                kept.add(annotation, image, fitted)
    kept.close()
    return json.dumps({"people": qualities}) if options.json else _summary(qualities)


def _summary(qualities):
    lines = [f"kept {sum(one['kept'] for one in qualities)} of {len(qualities)} people"]
    for key, least in (("landed", LEAST_LANDED), ("iou", LEAST_IOU), ("agreement", LEAST_AGREEMENT)):
        values = np.array([one[key] for one in qualities])
        lines.append(f"{key}: median {np.median(values):.3f}, at least {least}: {np.mean(values >= least):.0%}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
