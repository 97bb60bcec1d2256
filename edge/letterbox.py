"""Letterbox: a frame of any size into the network's fixed input."""

import cv2
import numpy as np


def content_size(frame_size: tuple[int, int], input_size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) in pixels that a frame of this (width, height) takes inside an input of that (width, height)."""
    ratio = _ratio(frame_size, input_size)
    return max(1, round(frame_size[0] * ratio)), max(1, round(frame_size[1] * ratio))


def letterbox(rgb: np.ndarray, width: int, height: int, pad: int, content: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    """Resize a frame to fit, keeping its aspect, at the top left of a padded input.

    rgb: uint8 [h, w, 3]; content: the frame already resized to `content_size`, then it is only padded.
    Returns (uint8 [height, width, 3], input pixels per frame pixel); raises ValueError.
    """
    frame_size = rgb.shape[1], rgb.shape[0]
    ratio, size = _ratio(frame_size, (width, height)), content_size(frame_size, (width, height))
    if content is None:
        content = _resize(rgb, size, max(1, round(1 / ratio)))
    elif content.shape != (size[1], size[0], 3) or content.dtype != np.uint8:
        raise ValueError(f"content is uint8 [{size[1]}, {size[0]}, 3] RGB, not {content.dtype} {list(content.shape)}")
    if size == (width, height):
        return content, ratio
    image = np.full((height, width, 3), pad, np.uint8)
    image[: size[1], : size[0]] = content
    return image, ratio


def _resize(rgb, size, times):
    # To a multiple of the size, then the mean of whole pixels: OpenCV's own area filter is of floats, and off by a grey
    # level between x86 and ARM.
    multiple = size[0] * times, size[1] * times
    if multiple != (rgb.shape[1], rgb.shape[0]):
        rgb = cv2.resize(rgb, multiple, interpolation=cv2.INTER_LINEAR_EXACT)
    return cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)


def _ratio(frame_size, input_size):
    return min(input_size[0] / frame_size[0], input_size[1] / frame_size[1])
