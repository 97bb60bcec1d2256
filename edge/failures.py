"""What a model gets wrong, in pictures: those of a COCO set with most faults."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgemask import coco, pictures
from edgemask.draw import overlay
from edgemask.evaluate import Evaluation
from edgemask.files import replacing
from edgemask.model import Model

SCORE = 0.5  # mask score of what is shown, and so of what can be wrong
TILE, CAPTION, ACROSS = 320, 24, 4  # pixels; tiles in a row
WHITE = 255, 255, 255


@dataclass(frozen=True)
class Faults:
    """A picture's objects of which no shown mask has an IoU of 0.5 (`missed`, annotation ids), and how many shown masks have
    none with any object (`false`)."""

    image_id: int
    missed: tuple[int, ...]
    false: int

    def __len__(self) -> int:
        return len(self.missed) + self.false


def faults(evaluation: Evaluation) -> list[Faults]:
    """Every picture with faults, most first."""
    run, found = evaluation.runs["mask"], {}
    everything, most = run.params.areaRng[0], run.params.maxDets[-1]
    for one in filter(None, run.evalImgs):
        if one["aRng"] != everything or one["maxDet"] != most:
            continue
        shown = np.array(one["dtScores"]) >= SCORE
        seen = {int(id) for id, is_shown in zip(one["dtIds"], shown, strict=True) if is_shown}
        # Matching goes down the scores, so what is not shown took nothing from what is. The first threshold is IoU 0.5.
        rows = zip(one["gtIds"], one["gtMatches"][0], one["gtIgnore"], strict=True)
        missed = [id for id, match, ignored in rows if not ignored and int(match) not in seen]
        false = int((shown & (one["dtMatches"][0] == 0) & ~one["dtIgnore"][0].astype(bool)).sum())
        before = found.get(one["image_id"], ((), 0))
        found[one["image_id"]] = (*before[0], *missed), before[1] + false
    rows = [Faults(image_id, missed, false) for image_id, (missed, false) in found.items()]
    return sorted((one for one in rows if len(one)), key=lambda one: (-len(one), one.image_id))


def write_sheet(path, model: Model, evaluation: Evaluation, annotations, images=None, most: int = 12):
    """Write the pictures with most faults as one JPEG, masks as `edgemask run` draws them, missed objects outlined in white.

    annotations, images: those of the evaluation; most: of so many pictures.
    """
    truth = evaluation.runs["mask"].cocoGt
    folder, tiles = Path(images or coco.picture_folder(annotations)), []
    for one in faults(evaluation)[:most]:
        rgb = pictures.read(folder / truth.imgs[one.image_id]["file_name"])
        found = model(rgb)
        drawn = overlay(rgb, found[found.mask_scores >= SCORE])
        for id in one.missed:
            outline, _ = cv2.findContours(truth.annToMask(truth.anns[id]), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(drawn, outline, -1, WHITE, max(2, max(rgb.shape) // TILE), cv2.LINE_AA)
        tiles.append(_tile(drawn, f"{len(one.missed)} missed, {one.false} false"))
    tiles += [np.zeros((TILE + CAPTION, TILE, 3), np.uint8)] * (-len(tiles) % ACROSS or (not tiles) * ACROSS)
    sheet = np.vstack([np.hstack(tiles[start : start + ACROSS]) for start in range(0, len(tiles), ACROSS)])
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode(".jpg", sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


def _tile(rgb, caption):
    tile = np.zeros((TILE + CAPTION, TILE, 3), np.uint8)
    scale = TILE / max(rgb.shape[:2])
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:TILE, :TILE]
    tile[: small.shape[0], : small.shape[1]] = small
    cv2.putText(tile, caption, (6, TILE + CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1, cv2.LINE_AA)
    return tile
