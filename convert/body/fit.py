"""Photographs with dense labels: the body fitted to people of a COCO set and drawn as part, U and V on their pixels.

    python -m edgemask.convert.body.fit person/train.json OUT [--limit N] [--json]

Writes OUT/fits.json (COCO, images[].iuv names the labels), OUT/fits/, OUT/fits_iuv/ and OUT/poses.npz.
"""

import argparse
import functools
import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from edgemask import coco
from edgemask.command import exit_code
from edgemask.convert.body import smplify, weak
from edgemask.convert.body.labels import LabelRenderer
from edgemask.convert.body.model import body_model
from edgemask.convert.body.reduced import reduced_body
from edgemask.convert.body.targets import Person, Targets
from edgemask.convert.train.dataset import decode
from edgemask.errors import DatasetError, OptionError, OutputError
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
class Pose:
    """A fitted body: turns float32 [104, 3], rotation vectors of `body_model()`'s pose parameters, the pelvis's in the camera's
    upright axes; phenotypes [6]; translation [3], the pelvis in the camera's axes (x right, y down, z ahead) in metres; focal in
    pixels, the optical axis in the picture's middle."""

    turns: np.ndarray
    phenotypes: np.ndarray
    translation: np.ndarray
    focal: float


def candidates(content: dict) -> list[tuple[dict, dict]]:
    """(annotation, image) of a COCO set's people with a mask, LEAST_KEYPOINTS labelled keypoints and LEAST_HEIGHT pixels."""
    images = {image["id"]: image for image in content["images"]}
    return [(one, images[one["image_id"]]) for one in content.get("annotations") or []
            if one.get("segmentation") and not one.get("iscrowd") and one["bbox"][3] >= LEAST_HEIGHT
            and np.count_nonzero((one.get("keypoints") or ())[2::3]) >= LEAST_KEYPOINTS]  # fmt: skip


def person(annotation: dict, image: dict) -> Person:
    """What a fit takes of an annotation."""
    keypoints = np.array(annotation["keypoints"], float).reshape(17, 3)
    mask = decode(annotation["segmentation"], image["width"], image["height"])
    return Person(keypoints, mask.astype(bool), tuple(annotation["bbox"]))


def fit_people(people: list[Person]) -> list[Pose]:
    """The bodies of up to a batch of people, good or not."""
    import roma

    body = reduced_body()
    targets = Targets.of(people, [body.bones[one] for one in body.bone])
    found = smplify.fit(body, targets)
    turns = roma.rotmat_to_rotvec(body.rotations(found.root(), found.angles)[..., :3, :3])
    columns = (one.numpy() for one in (turns, found.phenotypes(), found.translation(targets.focal)))
    return [Pose(*row, one.focal) for *row, one in zip(*columns, people)]


def seen(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """(vertices [13718, 3], COCO keypoints [17, 3]) of a fitted body in the camera's axes, metres."""
    import roma
    import torch

    turns = roma.rotvec_to_rotmat(torch.tensor(pose.turns, dtype=torch.float64))
    parameters = roma.Rigid(turns, torch.zeros(len(turns), 3, dtype=torch.float64)).to_homogeneous()
    with torch.no_grad():
        posed = body_model()(parameters[None], phenotype_kwargs=torch.tensor(pose.phenotypes, dtype=torch.float64)[None])
        keypoints = _regressor()(posed)[:, :17]  # COCO's come first.
        return tuple(smplify.to_camera(one[0]).numpy() + pose.translation for one in (posed["vertices"], keypoints))


@functools.cache
def _regressor():
    import anny

    return anny.KeypointsRegressor.coco(body_model())


def draw(person: Person, pose: Pose, renderer: LabelRenderer) -> tuple[Quality, np.ndarray]:
    """How good a fit is, and its labels uint8 [H, W, 3] (part, U, V): on the mask, and where keypoints vouch for the part."""
    height, width = person.mask.shape
    vertices, keypoints = seen(pose)
    part, u, v = renderer(vertices, pose.focal, (width, height))
    pixels = keypoints[:, :2] / keypoints[:, 2:] * pose.focal + np.array([width, height]) / 2
    miss, sight = np.linalg.norm(pixels - 0.5 - person.keypoints[:, :2], axis=1) / person.size, person.keypoints[:, 2]
    allowed, _ = weak.labels(person.keypoints, person.mask, np.arange(width) + 0.5, np.arange(height) + 0.5)
    possible, stated = (allowed >> part) & 1 == 1, (allowed > 0) & (part > 0)
    # A limb behind a table is no part of the mask and may be anywhere.
    union = np.count_nonzero(person.mask | ((part > 0) & ~np.isin(part, _limbs_at(sight == 0))))
    visible = miss[sight == sight.max()]
    quality = Quality(float(visible.mean()), float((visible <= MOST_MISS).mean()),
                      float(np.count_nonzero(person.mask & (part > 0)) / union),
                      float(possible[stated].mean()) if stated.any() else 0.0)  # fmt: skip
    # Nor is one behind something, which a fit may put before it; hips and shoulders under clothes are well known all the same.
    behind = (sight == 1) & ~np.isin(np.arange(17), [one + side for one in (weak.SHOULDER, weak.HIP) for side in (0, 1)])
    doubtful = np.isin(part, _limbs_at((sight == 0) | behind | (miss > MOST_MISS)))
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

    def add(self, annotation: dict, image: dict, pose: Pose, quality: Quality, iuv: np.ndarray):
        """One more person of a picture."""
        if image["id"] not in self.labels:
            shutil.copyfile(self.source / image["file_name"], self.folder / "fits" / image["file_name"])
            self.labels[image["id"]] = np.zeros_like(iuv)
        picture = self.labels[image["id"]]
        np.copyto(picture, iuv, where=iuv[..., :1] > 0)
        if not cv2.imwrite(str(self.folder / _name(image)), picture[..., ::-1]):
            raise OutputError(f"{self.folder / _name(image)} cannot be written: is the disk full?")
        self.kept.append((annotation, pose, quality))

    def close(self):
        """Every person of these pictures is in fits.json, and says with `fit` whether and how well it was fitted."""
        fits = {annotation["id"]: {"fit": asdict(quality)} for annotation, _, quality in self.kept}
        images = [{**image, "iuv": _name(image)} for image in self.content["images"] if image["id"] in self.labels]
        rows = [{**one, **fits.get(one["id"], {})} for one in self.content["annotations"] if one["image_id"] in self.labels]
        with replacing(self.folder / "fits.json") as temporary:
            temporary.write_text(json.dumps({"images": images, "annotations": rows, "categories": self.content["categories"]}))
        with replacing(self.folder / "poses.npz") as temporary:
            columns = {one.name: np.array([getattr(pose, one.name) for _, pose, _ in self.kept]) for one in fields(Pose)}
            np.savez_compressed(temporary, annotation=[annotation["id"] for annotation, *_ in self.kept], **columns)


def read_poses(path: Path) -> dict[int, Pose]:
    """A `poses.npz`: annotation id to pose; DatasetError where it is none."""
    try:
        with np.load(path) as stored:
            columns = [stored[one.name] for one in fields(Pose)]
            return {int(number): Pose(*row) for number, *row in zip(stored["annotation"], *columns)}
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{path} is no poses.npz of fits: {error}") from error


def _name(image):
    return f"fits_iuv/{image['id']:06}.png"


def main(arguments=None) -> int:
    """Fit the people; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.body.fit", description=__doc__.splitlines()[0])
    it.add_argument("labels", type=Path, metavar="TRAIN.json", help="COCO, with keypoints and masks; its pictures beside it")
    it.add_argument("out", type=Path, metavar="OUT")
    it.add_argument("--limit", type=int, metavar="N", help="only N people, drawn with a fixed seed")
    it.add_argument("--poses", type=Path, metavar="poses.npz", help="draw these fits anew rather than fit")
    it.add_argument("--json", action="store_true", help="every person's quality, for programs")
    # Read by OpenMP when torch loads it: threads that spin while they wait take the processor from whoever else has work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    if options.limit is not None and options.limit < 1:
        raise OptionError("--limit is at least 1")
    content = coco.read(options.labels)
    found = candidates(content)
    if not found:
        raise DatasetError(f"{options.labels} has nobody with a mask, {LEAST_KEYPOINTS} keypoints and {LEAST_HEIGHT} pixels")
    chosen = [found[index] for index in np.random.default_rng(0).permutation(len(found))[: options.limit]]
    known = read_poses(options.poses) if options.poses else None
    if known is not None:
        chosen = [one for one in chosen if one[0]["id"] in known]
    renderer, kept, qualities = LabelRenderer(), Set(content, options.labels, options.out), []
    for start in progress(range(0, len(chosen), BATCH), f"batches of {BATCH} people"):
        batch = chosen[start : start + BATCH]
        people = [person(*one) for one in batch]
        poses = fit_people(people) if known is None else [known[annotation["id"]] for annotation, _ in batch]
        for (annotation, image), one, pose in zip(batch, people, poses):
            quality, iuv = draw(one, pose, renderer)
            qualities.append({"annotation": annotation["id"], "kept": quality.good, **asdict(quality)})
            if quality.good:
                kept.add(annotation, image, pose, quality, iuv)
    kept.close()
    print(json.dumps({"people": qualities}) if options.json else _summary(qualities))


def _summary(qualities):
    lines = [f"kept {sum(one['kept'] for one in qualities)} of {len(qualities)} people"]
    for key, least in (("landed", LEAST_LANDED), ("iou", LEAST_IOU), ("agreement", LEAST_AGREEMENT)):
        values = np.array([one[key] for one in qualities])
        lines.append(f"{key}: median {np.median(values):.3f}, at least {least}: {np.mean(values >= least):.0%}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
