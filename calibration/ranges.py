"""Activation ranges, and the scale and zero point each tensor gets from them."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import create_calibrator

BINS = 2048
# Shares of the min-max range that are tried, the whole first.
SHRINK = tuple(np.linspace(1, 0.5, 51))
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


def mse_optimal(model: onnx.ModelProto, ranges: Ranges, batches) -> Ranges:
    """Each tensor's range shrunk to where rounding and clipping together lose least, by histograms over inputs
    [N, C, H, W] float32; one batch at a time is in memory."""
    exposed = copy.deepcopy(model)
    names = [name for name in ranges if name != model.graph.input[0].name]
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
    counts = {name: np.zeros(BINS) for name in names}
    for batch in batches:
        for name, values in zip(names, session.run(None, {model.graph.input[0].name: batch}), strict=True):
            counts[name] += np.histogram(values, BINS, _widened(ranges[name]))[0]
    return {**ranges, **{name: _best_shrunk(ranges[name], counts[name]) for name in names}}


def _widened(ends):
    return (ends[0], ends[1]) if ends[1] > ends[0] else (ends[0] - 1e-6, ends[1] + 1e-6)


def _best_shrunk(ends, counts):
    low, high = _widened(ends)
    centres = low + (np.arange(BINS) + 0.5) * (high - low) / BINS

    def loss(share):
        scale, zero_point = _scale(ends[0] * share, ends[1] * share)
        kept = (np.clip(np.rint(centres / scale) + zero_point, 0, 255) - zero_point) * scale
        return float(counts @ (centres - kept) ** 2)

    best = min(SHRINK, key=loss)
    return ends[0] * best, ends[1] * best


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
