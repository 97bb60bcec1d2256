"""Lowering a QDQ ONNX stage to TFLite's operators: NHWC, int8, the very same scales; layers left in float stay so.

An int8 zero point is the uint8 one less 128; ReLU and ReLU6 need no fused activation, because a
quantised tensor's range already ends where they cut.
"""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

from edgemask.convert.runtime_graph import TO_NHWC
from edgemask.errors import ConversionError


@dataclass
class Tensor:
    """A TFLite tensor; `shape` has -1 for the batch, `data` is None for activations."""

    name: str
    shape: tuple
    dtype: str
    scale: np.ndarray
    zero_point: int = 0
    axis: int = 0
    data: np.ndarray | None = None


@dataclass
class Operator:
    """One TFLite operator: `kind` is its builtin name, `options` the fields of its options table."""

    kind: str
    inputs: list[Tensor]
    output: Tensor
    options: dict = field(default_factory=dict)


@dataclass
class Graph:
    """A whole stage, operators in order."""

    input: Tensor
    outputs: list[Tensor]
    operators: list[Operator]


def lower(qdq: onnx.ModelProto) -> Graph:
    """A QDQ stage as TFLite operators; raises ConversionError naming a node that has no int8 counterpart."""
    return _Lowering(qdq).graph


class _Lowering:
    def __init__(self, qdq):
        model = onnx.shape_inference.infer_shapes(qdq, strict_mode=True)
        self.constants = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self.shapes = {
            value.name: tuple(dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim)
            for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]
        }
        self.public = {}
        self.tensors, self.weights, self.real, self.operators = {}, {}, {}, []
        self._name_outputs(model.graph)
        for node in model.graph.node:
            lowering = getattr(self, f"_on_{node.op_type.lower()}", None)
            if lowering is None:
                raise ConversionError(f"node {node.name or node.output[0]} is a {node.op_type}, which has no int8 TFLite form here")
            lowering(node)
        self.graph = Graph(
            self.tensors[model.graph.input[0].name],
            [self.tensors[output.name] for output in model.graph.output],
            self.operators,
        )

    def _name_outputs(self, graph):
        """Quantised tensors that become outputs carry the output's name."""
        quantised = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
        outputs = {output.name for output in graph.output}
        for node in graph.node:
            if node.op_type == "DequantizeLinear" and node.output[0] in outputs:
                self.public[quantised[node.input[0]]] = node.output[0]

    def _on_quantizelinear(self, node):
        """A real tensor gets its scale; what computed it is waiting under the same name."""
        name, scale, zero_point = node.input
        zero_point = int(self.constants[zero_point]) - 128
        tensor = self.tensors.setdefault(name, self._activation(name))
        if tensor.scale is None:
            tensor.scale, tensor.zero_point = self.constants[scale].reshape(1), zero_point
        elif (tensor.scale[0], tensor.zero_point) != (self.constants[scale], zero_point):
            raise ConversionError(f"tensor {name} changes its scale on the way, which needs a requantisation nobody wrote")
        self.tensors[node.output[0]] = tensor

    def _on_dequantizelinear(self, node):
        if node.input[0] in self.tensors:
            self.tensors[node.output[0]] = self.tensors[node.input[0]]
            return
        values, scale, _ = (self.constants[name] for name in node.input)
        self.weights[node.output[0]] = Tensor(node.output[0], values.shape, str(values.dtype), scale.reshape(-1), 0, 0, values)

    def _on_conv(self, node):
        attributes = _attributes(node)
        weight, bias = self._parameters(node)
        groups, strides = attributes.get("group", 1), attributes.get("strides", [1, 1])
        depthwise = groups == weight.shape[0] > 1 == weight.shape[1]
        if (groups != 1 and not depthwise) or attributes.get("dilations", [1, 1]) != [1, 1]:
            raise ConversionError(f"convolution {node.name} is grouped or dilated, which no stage needs")
        order, kind = ((1, 2, 3, 0), "DEPTHWISE_CONV_2D") if depthwise else ((0, 2, 3, 1), "CONV_2D")
        kernel = self._constant(weight, weight.data.transpose(order), axis=3 if depthwise else 0)
        options = {"strideH": strides[0], "strideW": strides[1], "padding": self._padding(node, weight.shape[2:], strides)}
        options |= {"depthMultiplier": 1} if depthwise else {}
        self._emit(kind, node, [kernel, bias], options)

    def _on_gemm(self, node):
        attributes = _attributes(node)
        if attributes.get("transB") != 1 or attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
            raise ConversionError(f"matrix product {node.name} is scaled or not transposed, which no stage needs")
        self._emit("FULLY_CONNECTED", node, self._parameters(node), {})

    def _on_add(self, node):
        self._emit("ADD", node, [self.tensors[node.input[1]]], {})

    def _on_resize(self, node):
        """Nearest ×2 as four copies and DEPTH_TO_SPACE, which XNNPACK takes while it leaves resizing alone."""
        attributes, scales = _attributes(node), self.constants[node.input[2]].tolist()
        wanted = {"mode": b"nearest", "coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"}
        if scales != [1, 1, 2, 2] or any(attributes.get(key) != value for key, value in wanted.items()):
            raise ConversionError(f"node {node.name} resizes otherwise than nearest ×2")
        source = self.tensors[node.input[0]]
        copies = self._like(source, (*source.shape[:3], 4 * source.shape[3]), f"{source.name}_four_times")
        self.operators.append(Operator("CONCATENATION", [source] * 4, copies, {"axis": 3}))
        self._emit("DEPTH_TO_SPACE", node, [], {"blockSize": 2}, source=copies)

    def _on_maxpool(self, node):
        """A window of one cell with a stride, as a depthwise convolution by exactly 1, which XNNPACK takes."""
        attributes, source = _attributes(node), self.tensors[node.input[0]]
        if attributes["kernel_shape"] != [1, 1]:
            raise ConversionError(f"node {node.name} pools over more than one cell, which no stage needs")
        channels = source.shape[3]
        one = Tensor(f"{node.name}_one", (1, 1, 1, channels), "int8", np.full(channels, 1 / 127, np.float32), axis=3,
                     data=np.full((1, 1, 1, channels), 127, np.int8))  # fmt: skip
        none = Tensor(f"{node.name}_none", (channels,), "int32", source.scale * one.scale, data=np.zeros(channels, np.int32))
        strides = attributes["strides"]
        options = {"strideH": strides[0], "strideW": strides[1], "padding": "VALID", "depthMultiplier": 1}
        self._emit("DEPTHWISE_CONV_2D", node, [one, none], options)

    def _on_transpose(self, node):
        """Only the one that ONNX needs to get to the order in which TFLite's tensors already are."""
        if tuple(_attributes(node)["perm"]) != TO_NHWC:
            raise ConversionError(f"node {node.name} transposes otherwise than to NHWC")
        source = self.tensors[node.input[0]]
        self.tensors[node.output[0]] = source

    def _on_flatten(self, node):
        source = self.tensors[node.input[0]]
        features = int(np.prod(source.shape[1:]))
        shape = self._constant(None, np.array([-1, features], np.int32), name=f"{node.name}_shape")
        self._emit("RESHAPE", node, [shape], {"newShape": [-1, features]}, shape=(source.shape[0], features))

    def _parameters(self, node):
        """Weight and bias of a layer: int8 and int32, or float32 where the layer stays in float."""
        return [
            self.weights.get(name) or Tensor(name, self.constants[name].shape, "float32", None, data=self.constants[name])
            for name in node.input[1:3]
        ]

    def _real(self, tensor):
        """A quantised tensor as float32, made once for all that read it."""
        if tensor.name not in self.real:
            self.real[tensor.name] = Tensor(f"{tensor.name}_real", tensor.shape, "float32", None)
            self.operators.append(Operator("DEQUANTIZE", [tensor], self.real[tensor.name]))
        return self.real[tensor.name]

    def _emit(self, kind, node, more, options, source=None, shape=None):
        source, output = source or self.tensors[node.input[0]], self._activation(node.output[0], shape)
        if more and more[0].dtype == "float32":
            source, output.dtype = self._real(source), "float32"
        self.tensors[node.output[0]] = output
        self.operators.append(Operator(kind, [source, *more], output, options))

    def _activation(self, name, shape=None):
        if shape is None:
            shape = self.shapes[name]
            shape = tuple(shape[axis] for axis in TO_NHWC) if len(shape) == 4 else shape
        return Tensor(self.public.get(name, name), shape, "int8", None)

    def _like(self, tensor, shape, name):
        return Tensor(name, shape, "int8", tensor.scale, tensor.zero_point)

    def _constant(self, tensor, data, axis=0, name=None):
        scale = tensor.scale if tensor else None
        return Tensor(name or tensor.name, data.shape, str(data.dtype), scale, 0, axis, np.ascontiguousarray(data))

    def _padding(self, node, kernel, strides):
        """SAME or VALID, whichever says exactly what the node's pads say."""
        pads = _attributes(node).get("pads", [0, 0, 0, 0])
        if pads == [0, 0, 0, 0]:
            return "VALID"
        size = self.tensors[node.input[0]].shape[1:3]
        for axis in (0, 1):
            outputs = -(-size[axis] // strides[axis])
            total = max(0, (outputs - 1) * strides[axis] + kernel[axis] - size[axis])
            if (pads[axis], pads[axis + 2]) != (total // 2, total - total // 2):
                raise ConversionError(f"convolution {node.name} pads by {pads}, which is not TFLite's SAME")
        return "SAME"


def _attributes(node):
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
