"""Pictures of body parts for people: a colour for each, lines of equal U and V, or a texture on the skin."""

from collections.abc import Callable

import cv2
import numpy as np

from edgemask import draw, pictures
from edgemask.detections import Detections
from edgemask.parts import COUNT

COLOURS = np.array([(0, 0, 0), *(draw.colour(part - 1) for part in range(1, COUNT + 1))], np.uint8)
OPACITY = 0.6
BANDS = 8  # of U and of V on each part
TILES = 4, 6  # columns and rows of an atlas


def painter(kind: str) -> Callable[[np.ndarray, Detections], np.ndarray]:
    """What paints a frame, uint8 [height, width, 3] RGB, and its detections into a new picture.

    kind: `masks`, `parts`, `uv`, or the file of a texture; all but masks need the dense head. Raises SourceError.
    """
    return {"masks": draw.overlay, "parts": parts, "uv": isolines}.get(kind) or Texture(pictures.read(kind))


def parts(rgb: np.ndarray, detections: Detections) -> np.ndarray:
    """Every part in its colour."""
    labels = detections.iuv()[..., 0]
    return _blended(rgb, COLOURS[labels], labels, OPACITY)


def isolines(rgb: np.ndarray, detections: Detections) -> np.ndarray:
    """Lines where U (orange) and V (blue) pass a multiple of an eighth, white ones between the parts."""
    canvas, iuv = rgb.copy(), detections.iuv()
    labels = iuv[..., 0]
    cut = _steps(labels)
    kernel = np.ones((max(1, round(min(detections.size) / 320)),) * 2, np.uint8)
    for channel, tint in ((1, (255, 150, 0)), (2, (0, 130, 255)), (0, (255, 255, 255))):
        line = cut if channel == 0 else _steps(iuv[..., channel] // (256 // BANDS)) & ~cut
        canvas[cv2.dilate((line & (labels > 0)).astype(np.uint8), kernel) > 0] = tint
    return canvas


class Texture:
    """Puts a picture onto people, as DensePose's texture transfer does.

    rgb: uint8 [h, w, 3]. Where its sides are as 2 to 3 it is an atlas, 4 tiles wide and 6 high, parts 1 to 6 down the first
    column and so on; any other goes onto every part whole. U runs to the right, V down: from the trunk along a limb.
    """

    def __init__(self, rgb: np.ndarray):
        columns, rows = TILES if 3 * rgb.shape[1] == 2 * rgb.shape[0] else (1, 1)
        height, width = max(1, rgb.shape[0] // rows), max(1, rgb.shape[1] // columns)
        tiles = [
            rgb[row * height : (row + 1) * height, column * width : (column + 1) * width]
            for column in range(columns) for row in range(rows)
        ]  # fmt: skip
        self.tiles = np.stack([tiles[part % len(tiles)] for part in range(COUNT)])

    def __call__(self, rgb: np.ndarray, detections: Detections) -> np.ndarray:
        """A copy of the frame with the texture on everybody."""
        iuv, painted = detections.iuv(), rgb.copy()
        there = iuv[..., 0] > 0
        part, u, v = iuv[there].T.astype(np.intp)
        height, width = self.tiles.shape[1:3]
        painted[there] = self.tiles[part - 1, v * (height - 1) // 255, u * (width - 1) // 255]
        return _blended(rgb, painted, iuv[..., 0], 0.85)


def _steps(values):
    """Where a pixel differs from the one to its right or the one below."""
    steps = np.zeros(values.shape, bool)
    steps[:, :-1] |= values[:, :-1] != values[:, 1:]
    steps[:-1] |= values[:-1] != values[1:]
    return steps


def _blended(rgb, painted, where, opacity):
    canvas = rgb.copy()
    cv2.copyTo(cv2.addWeighted(rgb, 1 - opacity, painted, opacity, 0), where, canvas)
    return canvas
