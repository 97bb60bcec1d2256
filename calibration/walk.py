"""Running a float stage and its quantised twin side by side, one node after the other.

The twin computes in float on values rounded to their scales, which is what int8 kernels do up to the last bit
of a sum. Walking node by node, each layer meets the inputs that the quantised layers before it really
give, and every picture passes each node once.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from edgemask.calibration.ranges import Scales

ACTIVATIONS = ("Clip", "Relu")
LAYERS = ("Conv", "Gemm")


@dataclass
class Layer:
    """A convolution or matrix product on its way through the walk; the RPN's is one layer for all of its levels.

    exact, quantised: its input batches in both twins; weight, bias: to be replaced by whoever corrects the layer.
    """

    node: onnx.NodeProto
    exact: list[np.ndarray]
    quantised: list[np.ndarray]
    weight: np.ndarray
    bias: np.ndarray

    def run(self, batches, weight, bias) -> Iterator[np.ndarray]:
        """The layer's outputs, before any activation, for these inputs, weight and bias."""
        session = _session(self.node, {self.node.input[1]: weight, self.node.input[2]: bias})
        for batch in batches:
            yield session.run(None, {self.node.input[0]: batch})[0]

    def attribute(self, name: str, default):
        """An attribute of the node."""
        return next((onnx.helper.get_attribute_value(one) for one in self.node.attribute if one.name == name), default)


def rounded(values: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Values as uint8 of this scale holds them."""
    return (np.clip(np.rint(values / scale) + zero_point, 0, 255) - np.float32(zero_point)) * np.float32(scale)


def walk(model: onnx.ModelProto, scales: Scales, batches: list[np.ndarray]) -> Iterator[Layer]:
    """Every layer of a stage in order; what the caller puts into `weight` and `bias` is what the twin goes on with.

    A layer whose output has no scale stays in float.
    """
    constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    left = Counter(name for node in model.graph.node for name in node.input)
    silent = {node.input[0] for node in model.graph.node if node.op_type in ACTIVATIONS}
    entry = model.graph.input[0].name
    exact, twin = {entry: batches}, {entry: [rounded(batch, *scales[entry]) for batch in batches]}
    for group in _groups(model.graph, constants):
        replaced = {}
        if group[0].op_type in LAYERS:
            weight, bias = group[0].input[1:3]
            inputs = [[batch for node in group for batch in side[node.input[0]]] for side in (exact, twin)]
            layer = Layer(group[0], *inputs, constants[weight], constants[bias])
            yield layer
            replaced = {weight: layer.weight, bias: layer.bias}
        for node in group:
            output = node.output[0]
            exact[output] = list(_outputs(node, constants, exact))
            twin[output] = list(_outputs(node, constants | replaced, twin))
            if output not in silent and output in scales:
                twin[output] = [rounded(values, *scales[output]) for values in twin[output]]
            for name in node.input:
                left[name] -= 1
                if not left[name] and name in exact:
                    del exact[name], twin[name]


def _groups(graph, constants):
    """The nodes in an order that can be run, those that share a weight together."""
    known, sharing = {graph.input[0].name, "", *constants}, {}
    for node in graph.node:
        sharing.setdefault(node.input[1] if node.op_type in LAYERS else node.output[0], []).append(node)
    while sharing:
        ready = (key for key, group in sharing.items() if all(name in known for node in group for name in node.input))
        group = sharing.pop(next(ready))
        known |= {name for node in group for name in node.output}
        yield group


def _outputs(node, constants, values):
    names = [name for name in node.input if name and name not in constants]
    session = _session(node, {name: constants[name] for name in node.input if name in constants})
    for batches in zip(*(values[name] for name in names), strict=True):
        yield session.run(None, dict(zip(names, batches, strict=True)))[0]


def _session(node, constants):
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    names = dict.fromkeys(name for name in node.input if name and name not in constants)
    graph = helper.make_graph(
        [node], "node", [helper.make_tensor_value_info(name, kind, None) for name in names],
        [helper.make_tensor_value_info(node.output[0], kind, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
