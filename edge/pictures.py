"""Pictures on disk: which files are pictures, and reading one as RGB."""

from pathlib import Path

import cv2
import numpy as np

from edgemask.errors import SourceError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})


def listing(folder) -> list[Path]:
    """The pictures directly in a folder, by name."""
    try:
        found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise SourceError(f"{folder} cannot be listed: {error.strerror}") from error
    if not found:
        raise SourceError(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return found


def read(path) -> np.ndarray:
    """One picture as uint8 [height, width, 3] RGB, turned as its EXIF says; raises SourceError."""
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    bgr = _decode(content)
    if bgr is None:
        raise SourceError(f"{path} is not a picture, or a damaged one")
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _decode(content):
    try:
        return cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    except cv2.error:  # a header that promises more pixels than OpenCV allows
        return None
