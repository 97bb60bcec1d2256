"""Pictures for people: masks, boxes, classes and scores drawn on a frame."""

import colorsys

import cv2
import numpy as np

from edgemask.detections import Detections

OPACITY = 0.45


def colour(index: int) -> tuple[int, int, int]:
    """The RGB colour of instance `index`; neighbours are far apart on the colour circle."""
    return tuple(round(255 * part) for part in colorsys.hsv_to_rgb((0.58 + index * 0.618034) % 1, 0.75, 1.0))


def overlay(rgb: np.ndarray, detections: Detections) -> np.ndarray:
    """A copy of the frame, uint8 [height, width, 3], with every instance in a colour of its own."""
    canvas = rgb.copy()
    width = max(1, round(min(detections.size) / 240))
    crops = list(detections.crops())
    for index in reversed(range(len(detections))):  # the best score ends on top
        crop, left, top = crops[index]
        if crop.size:
            _tint(canvas[top : top + crop.shape[0], left : left + crop.shape[1]], crop, colour(index), width)
    for index in reversed(range(len(detections))):
        name = detections.classes[detections.class_ids[index]]
        _label(canvas, detections.boxes[index], f"{name} {detections.scores[index]:.2f}", colour(index), width)
    return canvas


def _tint(region, mask, tint, width):
    blended = cv2.addWeighted(region, 1 - OPACITY, np.full_like(region, tint), OPACITY, 0)
    np.copyto(region, blended, where=mask[..., None])
    outline, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = np.ascontiguousarray(region)
    cv2.drawContours(drawn, outline, -1, tint, width, cv2.LINE_AA)
    region[:] = drawn


def _label(canvas, box, text, tint, width):
    x0, y0, x1, y1 = (int(round(float(value))) for value in box)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), tint, width)
    font, size = cv2.FONT_HERSHEY_SIMPLEX, max(0.4, width * 0.3)
    (wide, high), below = cv2.getTextSize(text, font, size, width)
    base = max(y0, high + 2 * below)
    cv2.rectangle(canvas, (x0, base - high - 2 * below), (x0 + wide + below, base), tint, cv2.FILLED)
    cv2.putText(canvas, text, (x0 + below // 2, base - below), font, size, (0, 0, 0), max(1, width - 1), cv2.LINE_AA)
