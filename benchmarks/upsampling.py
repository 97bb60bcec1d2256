"""What the trunk's unusual operators gain in LiteRT: the shipped trunk against one with the usual ones in their place.

    python -m edgemask.benchmarks.upsampling [BUNDLE] [--rounds 100] [--json]

Four copies and DEPTH_TO_SPACE stand for RESIZE_NEAREST_NEIGHBOR, a depthwise convolution by 1 for MAX_POOL_2D. Both trunks
give the same bits, which is checked; a ratio is the usual one's time through the shipped one's, above 1 the shipped is
faster: median of rounds in which both run, in turn first and second, one thread.
"""

import argparse
import json
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgemask import pictures
from edgemask.benchmarks.engines import ASTRONAUT
from edgemask.bundle import SHIPPED, Bundle
from edgemask.command import exit_code
from edgemask.engines.litert import LiteRtEngine
from edgemask.errors import EdgemaskError
from edgemask.letterbox import letterbox
from edgemask.timing import time_ratio

OPS = schema.BuiltinOperator
KINDS = {"upsampling": ("RESIZE_NEAREST_NEIGHBOR",), "P6": ("MAX_POOL_2D",),
         "both": ("RESIZE_NEAREST_NEIGHBOR", "MAX_POOL_2D")}  # fmt: skip


def usual(network: bytes, kinds) -> bytes:
    """The trunk with these operators of TFLite where ours are."""
    model = schema.ModelT.InitFromPackedBuf(network, 0)
    graph = model.subgraphs[0]
    if "RESIZE_NEAREST_NEIGHBOR" in kinds:
        _resized(model, graph)
    if "MAX_POOL_2D" in kinds:
        _pooled(model, graph)
    builder = flatbuffers.Builder(len(network) + 4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _resized(model, graph):
    makers = {operator.outputs[0]: operator for operator in graph.operators}
    for operator in [one for one in graph.operators if _kind(model, one) == OPS.DEPTH_TO_SPACE]:
        copies = makers[operator.inputs[0]]
        shape = graph.tensors[operator.outputs[0]].shape
        operator.inputs = [copies.inputs[0], _constant(model, graph, np.array(shape[1:3], np.int32))]
        operator.opcodeIndex = _code(model, OPS.RESIZE_NEAREST_NEIGHBOR)
        operator.builtinOptionsType = schema.BuiltinOptions.ResizeNearestNeighborOptions
        operator.builtinOptions = schema.ResizeNearestNeighborOptionsT()
        graph.operators.remove(copies)


def _pooled(model, graph):
    """P6's depthwise convolution is the only one with a window of one cell."""
    for operator in graph.operators:
        if _kind(model, operator) == OPS.DEPTHWISE_CONV_2D and list(graph.tensors[operator.inputs[1]].shape[:3]) == [1, 1, 1]:
            options = schema.Pool2DOptionsT()
            options.padding, options.filterHeight, options.filterWidth = schema.Padding.VALID, 1, 1
            options.strideH, options.strideW = operator.builtinOptions.strideH, operator.builtinOptions.strideW
            operator.inputs = operator.inputs[:1]
            operator.opcodeIndex = _code(model, OPS.MAX_POOL_2D)
            operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Pool2DOptions, options


def _kind(model, operator):
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def _code(model, kind):
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), 2
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _constant(model, graph, values):
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.shape, tensor.type = np.array(values.shape, np.int32), schema.TensorType.INT32
    tensor.buffer, tensor.name = len(model.buffers) - 1, b"size"
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def compare(bundle: Bundle, rounds: int) -> dict[str, dict]:
    """By what is usual in it: {"ratio": (median, lower and upper quartile), "delegated": (taken, operators, partitions)}."""
    network, size = bundle.read("trunk", "tflite"), bundle.manifest["input"]
    image = letterbox(pictures.read(ASTRONAUT), size["width"], size["height"], size["pad"])[0][None]
    shipped = LiteRtEngine(network)
    found = {"shipped": {"ratio": (1.0, 1.0, 1.0), "delegated": shipped.delegated()}}
    for name, kinds in KINDS.items():
        other = LiteRtEngine(usual(network, kinds))
        wanted, got = shipped(image), other(image)
        if any(not np.array_equal(wanted[key], got[key]) for key in wanted):
            raise EdgemaskError(f"the trunk with the usual {name} computes something else")
        ratio = time_ratio(lambda other=other: other(image), lambda: shipped(image), rounds)
        found[name] = {"ratio": ratio, "delegated": other.delegated()}
    return found


def main():
    """Print a row for each trunk."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.upsampling", description=__doc__.splitlines()[0])
    it.add_argument("bundle", nargs="?", default=SHIPPED, help="default: the shipped person model")
    it.add_argument("--rounds", type=int, default=100)
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    found = compare(Bundle(options.bundle), options.rounds)
    if options.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        taken, total, partitions = row["delegated"]
        ratio, low, high = row["ratio"]
        parts = f"{partitions} partition{'s' * (partitions != 1)}"
        print(f"{name:11} {ratio:.2f} ({low:.2f} to {high:.2f})  XNNPACK takes {taken} of {total} operators in {parts}")


if __name__ == "__main__":
    sys.exit(exit_code(main))
