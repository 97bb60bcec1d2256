"""edgemask: int8 Mask R-CNN on live camera frames.

>>> import edgemask
>>> model = edgemask.load()
>>> people = model(rgb)
"""

import importlib

# Resolved on first use: `edgemask --help` should not wait for numpy and OpenCV.
_HOMES = {
    "Bundle": "bundle",
    "Detections": "detections",
    "EdgemaskError": "errors",
    "Model": "model",
    "load": "model",
    "open_camera": "cameras",
}
__all__ = list(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'edgemask' has no attribute {name!r}")
    return getattr(importlib.import_module(f"edgemask.{_HOMES[name]}"), name)
