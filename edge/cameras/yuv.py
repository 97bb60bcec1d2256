"""Camera buffers in YUV 4:2:0 as RGB."""

import cv2
import numpy as np


def rgb_from_yuv(buffer: np.ndarray, format: str, size: tuple[int, int], stride: int) -> np.ndarray:
    """One YUV 4:2:0 buffer, BT.601 limited range, as uint8 [height, width, 3] RGB.

    buffer: uint8, one-dimensional; format: `YUV420` (planes Y, U, V; the chroma rows are stride / 2 bytes) or `NV12`
    (Y, then U and V interleaved); size: (width, height), both even; stride: bytes a row of Y, padding
    included. Raises ValueError for another format.
    """
    width, height = size
    rows = buffer[: stride * height * 3 // 2].reshape(height * 3 // 2, stride)
    if format == "NV12":
        return cv2.cvtColor(rows[:, :width], cv2.COLOR_YUV2RGB_NV12)
    if format != "YUV420":
        raise ValueError(f"a camera buffer is YUV420 or NV12, not {format}")
    if stride != width:
        # OpenCV wants the chroma rows end to end, without their padding.
        chroma = rows[height:].reshape(height, stride // 2)[:, : width // 2].reshape(height // 2, width)
        rows = np.concatenate([rows[:height, :width], chroma])
    return cv2.cvtColor(rows, cv2.COLOR_YUV2RGB_I420)
