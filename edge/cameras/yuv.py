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
    luma, chroma = buffer[: stride * height], buffer[stride * height : stride * height * 3 // 2]
    luma = luma.reshape(height, stride)[:, :width]
    if format == "NV12":
        chroma, code = chroma.reshape(height // 2, stride)[:, :width], cv2.COLOR_YUV2RGB_NV12
    elif format == "YUV420":
        # OpenCV wants the chroma rows end to end, without their padding.
        chroma = chroma.reshape(height, stride // 2)[:, : width // 2].reshape(height // 2, width)
        code = cv2.COLOR_YUV2RGB_I420
    else:
        raise ValueError(f"a camera buffer is YUV420 or NV12, not {format}")
    return cv2.cvtColor(np.concatenate([luma, chroma]), code)
