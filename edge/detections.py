"""`Detections`: what the model finds in one frame, and what every sink consumes."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgemask import dense, masks, rle
from edgemask.errors import MissingLibrary


@dataclass(frozen=True)
class Detections:
    """People (or whatever the bundle's classes are) in one frame, best score first.

    >>> people = model(rgb)
    >>> for box, score in zip(people.boxes, people.scores): ...

    boxes: float32 [N, 4], x0, y0, x1, y1 in frame pixels; scores: float32 [N] in [0, 1];
    class_ids: int64 [N], indices into `classes`; grids: float32 [N, 28, 28], mask probabilities over
    each box; size: frame (width, height); ms: milliseconds per stage; track_ids: int64 [N] from a `Tracker`, 0
    where there is none yet, or None; parts, uv: [N, 28, 28, 24] and uint8 [N, 28, 28, 2, 24] over each box
    (`Model.dense_grids`), or None. Raises ValueError when the arrays do not fit together.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    grids: np.ndarray
    size: tuple[int, int]
    classes: tuple[str, ...]
    ms: dict[str, float] = field(default_factory=dict)
    track_ids: np.ndarray | None = None
    parts: np.ndarray | None = None
    uv: np.ndarray | None = None

    def __post_init__(self):
        count = len(self.scores)
        shapes = self.boxes.shape == (count, 4) and self.class_ids.shape == (count,) and len(self.grids) == count
        shapes = shapes and (self.track_ids is None or self.track_ids.shape == (count,))
        shapes = shapes and all(one is None or len(one) == count for one in (self.parts, self.uv))
        if not shapes or self.scores.ndim != 1 or self.grids.ndim != 3:
            raise ValueError(
                f"boxes {self.boxes.shape}, scores {self.scores.shape}, class_ids {self.class_ids.shape}, "
                f"grids {self.grids.shape}, track_ids, parts and uv are not [N, 4], [N], [N], [N, S, S] and [N …] of one N"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, index) -> "Detections":
        """A subset by slice, bool mask or indices."""
        index = np.arange(len(self))[index].reshape(-1)
        names = ("boxes", "scores", "class_ids", "grids", "track_ids", "parts", "uv")
        held = {name: getattr(self, name) for name in names}
        return replace(self, **{name: None if one is None else one[index] for name, one in held.items()})

    @property
    def mask_scores(self) -> np.ndarray:
        """How sure the model is of each mask: its score times the mean probability within the mask (SOLO's maskness, Wang et
        al. 2020), float64 [N]. Of what to rank masks by; a person found for certain may have a mask that is not.
        """
        inside = self.grids >= masks.CUT
        total = (self.grids * inside).sum(axis=(1, 2), dtype=np.float64)
        return self.scores * total / np.maximum(inside.sum(axis=(1, 2)), 1)

    def above(self, score: float) -> "Detections":
        """Those with at least this score."""
        return self[self.scores >= score]

    def crops(self) -> Iterator[tuple[np.ndarray, int, int]]:
        """Each instance's mask within its box: (bool [h, w], left, top), one at a time."""
        for grid, box in zip(self.grids, self.boxes, strict=True):
            yield masks.paste(grid, box, self.size)

    def iuv_crops(self) -> Iterator[tuple[np.ndarray, int, int]]:
        """Each instance's part, U and V within its box: (uint8 [h, w, 3] as `dense.decode` has it, left, top), one at a
        time; none without the dense head."""
        rows = zip(self.parts, self.uv, self.boxes, self.crops(), strict=True) if self.parts is not None else ()
        for parts, uv, box, (mask, left, top) in rows:
            yield dense.decode(parts, uv, box, mask, self.size), left, top

    def iuv(self) -> np.ndarray:
        """Part, U · 255 and V · 255 of every pixel, uint8 [height, width, 3]; the higher score wins an overlap."""
        full = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        best = np.full(full.shape[:2], -np.inf, np.float32)
        for score, (crop, left, top) in zip(self.scores, self.iuv_crops(), strict=False):
            window = slice(top, top + crop.shape[0]), slice(left, left + crop.shape[1])
            better = (crop[..., 0] > 0) & (best[window] < score)
            full[window][better], best[window][better] = crop[better], score
        return full

    def masks(self) -> np.ndarray:
        """Full-size instance masks, bool [N, height, width]."""
        full = np.zeros((len(self), self.size[1], self.size[0]), bool)
        for mask, (crop, left, top) in zip(full, self.crops(), strict=True):
            mask[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        return full

    def semantic(self) -> np.ndarray:
        """Class map, uint8 [height, width]: 0 background, class id + 1; the higher score wins an overlap."""
        classes = np.zeros((self.size[1], self.size[0]), np.uint8)
        crops = list(self.crops())
        for index in np.argsort(self.scores, kind="stable"):
            crop, left, top = crops[index]
            classes[top : top + crop.shape[0], left : left + crop.shape[1]][crop] = self.class_ids[index] + 1
        return classes

    def coco(self) -> list[dict]:
        """COCO result records with compressed RLE; category_id counts from 1, track_id too where there is one. With the
        dense head each has `dense`, what `dense.record` says."""
        track_ids = np.zeros(len(self), int) if self.track_ids is None else self.track_ids
        records = [
            {
                "bbox": [round(float(v), 2) for v in (box[0], box[1], box[2] - box[0], box[3] - box[1])],
                "category_id": int(class_id) + 1,
                "category": self.classes[class_id],
                "score": round(float(score), 4),
                "mask_score": round(float(mask_score), 4),
                "track_id": int(track_id) or None,
                "segmentation": rle.encode(crop, self.size, left, top),
            }
            for box, score, mask_score, class_id, track_id, (crop, left, top) in zip(
                self.boxes, self.scores, self.mask_scores, self.class_ids, track_ids, self.crops(), strict=True
            )
        ]
        for record, crop in zip(records, self.iuv_crops(), strict=False):
            record["dense"] = dense.record(*crop)
        return records

    def supervision(self):
        """The same as `supervision.Detections`, for its annotators, trackers and zones.

        Raises MissingLibrary.
        """
        try:
            import supervision
        except ImportError as error:
            raise MissingLibrary("Detections.supervision needs supervision: pip install supervision") from error
        return supervision.Detections(
            xyxy=self.boxes, mask=self.masks(), confidence=self.scores, class_id=self.class_ids, tracker_id=self.track_ids,
            data={"class_name": np.array(self.classes, dtype=str)[self.class_ids]},
        )  # fmt: skip
