"""Letterbox: a frame of any size into the network's fixed input."""

import cv2
import numpy as np


def letterbox(rgb: np.ndarray, width: int, height: int, pad: int) -> tuple[np.ndarray, float]:
    """Resize a frame to fit, keeping its aspect, at the top left of a padded input.

    rgb: uint8 [h, w, 3]. Returns (uint8 [height, width, 3], input pixels per frame pixel).
    """
    h, w = rgb.shape[:2]
    ratio = min(width / w, height / h)
    size = max(1, round(w * ratio)), max(1, round(h * ratio))
    content = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR)
    if size == (width, height):
        return content, ratio
    image = np.full((height, width, 3), pad, np.uint8)
    image[: size[1], : size[0]] = content
    return image, ratio
