"""Static int8: scales and weights in, a QDQ graph out."""

import copy

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from edgemask.calibration.ranges import Scales

QUANTISED_OPS = ["Conv", "Gemm", "Add", "Clip", "Relu", "MaxPool", "Resize", "Transpose", "Flatten"]
# RoIAlign reads any of these levels, and its output is the heads' input as it is.
SHARED_LEVELS = ("p3", "p4", "p5")
# The raw bytes are the quantised input: (x − 127) / 128.
IMAGE_SCALE = (np.float32(1 / 128), 127)
# U and V end at 0 and 1 (convert.export), and their raw bytes are the 8-bit picture's.
UV_SCALES = dict.fromkeys(("dense_u", "dense_v"), (np.float32(1 / 255), 0))


def write_qdq(
    model: onnx.ModelProto, scales: Scales, weight_scales: dict[str, np.ndarray], nodes: list[str] | None = None
) -> onnx.ModelProto:
    """A float stage as QDQ: uint8 activations and int8 weights per channel (symmetric, zero point 0) with exactly
    these scales, int32 bias; ReLU and ReLU6 end in the range of their convolution. nodes: names of those to quantise,
    all whose output has a scale when None."""
    nodes = nodes or [node.name for node in model.graph.node if node.output[0] in scales]
    ends = {name: (np.float32(-zero * scale), np.float32((255 - zero) * scale)) for name, (scale, zero) in scales.items()}
    overrides = {
        name: [{"quant_type": QuantType.QUInt8, "scale": np.array(scale), "zero_point": np.array(zero, np.uint8)}]
        for name, (scale, zero) in scales.items()
    }
    for name, channels in weight_scales.items():
        overrides[name] = [_channel(scale) for scale in channels]
        overrides[name][0]["axis"] = 0
    quantizer = QDQQuantizer(
        copy.deepcopy(model), per_channel=True, reduce_range=False, weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(
            CalibrationMethod.MinMax, {name: TensorData(lowest=low, highest=high) for name, (low, high) in ends.items()}
        ),
        nodes_to_quantize=nodes, nodes_to_exclude=[], op_types_to_quantize=QUANTISED_OPS,
        extra_options={"TensorQuantOverrides": overrides, "WeightSymmetric": True},
    )  # fmt: skip
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    return quantizer.model.model


def _channel(scale):
    return {"quant_type": QuantType.QInt8, "scale": np.array(scale, np.float32), "zero_point": np.array(0, np.int8)}
