"""Activation ranges, and the scale and zero point each tensor gets from them."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

Ranges = dict[str, tuple[float, float]]
Scales = dict[str, tuple[np.float32, int]]


def min_max(model: onnx.ModelProto, batches) -> Ranges:
    """Smallest and largest value of every tensor over inputs [N, C, H, W] float32."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "float.onnx"
        onnx.save(model, path)
        calibrator = create_calibrator(
            path, augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
        calibrator.collect_data(_Reader(model.graph.input[0].name, batches))
        found = calibrator.compute_data()
    return {name: tuple(float(end.item()) for end in data.range_value) for name, data in found.data.items()}


def scales(ranges: Ranges, tied=()) -> Scales:
    """Asymmetric uint8 scale and zero point of each tensor; `tied` groups of tensors share theirs.

    Zero is always representable exactly, because padding is zero.
    """
    ranges = dict(ranges)
    for group in tied:
        low, high = zip(*(ranges[name] for name in group), strict=True)
        ranges.update(dict.fromkeys(group, (min(low), max(high))))
    return {name: _scale(*ends) for name, ends in ranges.items()}


def _scale(low, high):
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max(high - low, 1e-6) / 255)
    return scale, int(np.clip(round(-low / float(scale)), 0, 255))


class _Reader(CalibrationDataReader):
    def __init__(self, name, batches):
        self.feeds = ({name: batch} for batch in batches)

    def get_next(self):
        return next(self.feeds, None)
