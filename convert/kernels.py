"""Which kernels ONNX Runtime really runs: node counts read from its own optimised graph."""

import tempfile
from collections import Counter
from pathlib import Path

import onnx
import onnxruntime

from edgemask.engines.onnx import session_options

INTEGER = {onnx.TensorProto.UINT8, onnx.TensorProto.INT8, onnx.TensorProto.INT32}


def count(network: bytes) -> dict[str, dict[str, int]]:
    """Nodes of the optimised graph by type: {"int8": {op: n}, "float": {op: n}}.

    A node is int8 when what it computes on is: QLinear operators by name, operators that take
    any type by the type of their first input.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options = session_options(1)
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(path).graph
    integer = {value.name for value in graph.input if value.type.tensor_type.elem_type in INTEGER}
    integer |= {tensor.name for tensor in graph.initializer if tensor.data_type in INTEGER}
    counts = {"int8": Counter(), "float": Counter()}
    for node in graph.node:
        inside = node.input[0] in integer
        counts["int8" if inside and node.op_type != "Cast" else "float"][node.op_type] += 1
        if (inside and node.op_type not in ("DequantizeLinear", "Cast")) or node.op_type == "QuantizeLinear":
            integer.update(node.output)
    return {kind: dict(sorted(found.items())) for kind, found in counts.items()}
