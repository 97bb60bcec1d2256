"""A stage for each engine, with what the manifest says of its tensors and kernels."""

from collections import Counter

import onnx

from edgemask.calibration.ranges import Scales
from edgemask.convert import kernels
from edgemask.convert.bundle_writer import RuntimeStage
from edgemask.convert.runtime_graph import float_graph, quantised_graph
from edgemask.convert.tflite_file import write_tflite
from edgemask.convert.tflite_graph import lower

DTYPES = {onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.FLOAT: "float32"}


def float_stage(name: str, core: onnx.ModelProto) -> RuntimeStage:
    """A float stage for ONNX Runtime."""
    return _onnx_stage(name, float_graph(core), {})


def int8_stages(name: str, qdq: onnx.ModelProto, scales: Scales) -> list[RuntimeStage]:
    """A QDQ stage for ONNX Runtime and for LiteRT."""
    return [_onnx_stage(name, quantised_graph(qdq), scales), _tflite_stage(name, qdq)]


def _onnx_stage(name, model, scales):
    content = model.SerializeToString(deterministic=True)
    tensors = []
    for value in [*model.graph.input, *model.graph.output]:
        kind = value.type.tensor_type
        shape = [dim.dim_param or dim.dim_value for dim in kind.shape.dim]
        tensors.append({"name": value.name, "shape": shape, "dtype": DTYPES[kind.elem_type]})
        if value.name in scales:
            scale, zero_point = scales[value.name]
            tensors[-1] |= {"scale": float(scale), "zero_point": zero_point}
    return RuntimeStage(name, "onnx", content, tensors, kernels.count(content))


def _tflite_stage(name, qdq):
    graph = lower(qdq)
    tensors = [
        {"name": one.name, "shape": ["N" if side == -1 else side for side in one.shape], "dtype": one.dtype}
        | ({} if one.scale is None else {"scale": float(one.scale[0]), "zero_point": one.zero_point})
        for one in [graph.input, *graph.outputs]
    ]
    counts = {"int8": Counter(), "float": Counter()}
    for operator in graph.operators:
        counts["float" if operator.output.dtype == "float32" else "int8"][operator.kind] += 1
    counts = {kind: dict(sorted(found.items())) for kind, found in counts.items()}
    return RuntimeStage(name, "tflite", write_tflite(graph, name), tensors, counts)
