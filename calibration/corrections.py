"""Weights and biases corrected layer by layer for what quantisation does to them; scales stay as they are."""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from edgemask.calibration.ranges import Scales
from edgemask.calibration.rounding import fitted, gptq, nearest
from edgemask.calibration.walk import Layer, walk


@dataclass(frozen=True)
class Corrected:
    """A float stage whose weights lie on their int8 grid: `weight_scales` by initializer, float32 [out]."""

    model: onnx.ModelProto
    weight_scales: dict[str, np.ndarray]


def correct(model: onnx.ModelProto, scales: Scales, batches: list[np.ndarray], rounding=True, bias=True) -> Corrected:
    """Round each layer's weight by GPTQ (to nearest without `rounding`), then give its bias the mean of what is
    still missing (Nagel et al. 2019), one layer at a time on real inputs [N, C, H, W] of the stage.

    A layer whose output has no scale stays in float: its weight is corrected, not rounded.
    """
    found, steps = {}, {}
    for layer in walk(model, scales, batches):
        weight_name, bias_name = layer.node.input[1:3]
        exact_weight, exact_bias = layer.weight, layer.bias
        if layer.node.output[0] not in scales:
            layer.weight = fitted(layer) if rounding else exact_weight
        else:
            layer.weight, steps[weight_name] = gptq(layer) if rounding else nearest(exact_weight)
        if bias:
            layer.bias = exact_bias + _missing(layer, exact_weight, exact_bias)
        found[weight_name], found[bias_name] = layer.weight, layer.bias
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    for tensor in fixed.graph.initializer:
        if tensor.name in found:
            tensor.CopyFrom(numpy_helper.from_array(found[tensor.name], tensor.name))
    return Corrected(fixed, steps)


def _missing(layer: Layer, weight, bias):
    """Mean of the float output less the quantised one, per output channel, before any activation."""
    outputs = zip(layer.run(layer.exact, weight, bias), layer.run(layer.quantised, layer.weight, layer.bias), strict=True)
    gaps = [np.moveaxis(want - got, 1, -1).reshape(-1, want.shape[1]).mean(axis=0) for want, got in outputs]
    return np.mean(gaps, axis=0).astype(np.float32)
