"""Writing TFLite flatbuffers with the schema classes that ship with ai-edge-litert; no TensorFlow."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgemask.convert.tflite_graph import Graph, Operator, Tensor

# Oldest version of each operator that knows int8 (and, for weights, one scale a channel).
VERSIONS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "ADD": 2, "CONCATENATION": 2,
            "DEPTH_TO_SPACE": 1, "RESHAPE": 1, "DEQUANTIZE": 2}  # fmt: skip
OPTIONS = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "FULLY_CONNECTED": "FullyConnected",
           "ADD": "Add", "CONCATENATION": "Concatenation", "DEPTH_TO_SPACE": "DepthToSpace", "RESHAPE": "Reshape",
           "DEQUANTIZE": "Dequantize"}  # fmt: skip
TYPES = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32, "float32": schema.TensorType.FLOAT32}


class _AlignedBuffer(schema.BufferT):
    """A buffer whose data starts at a multiple of 16 bytes, as kernels that map the file expect."""

    def Pack(self, builder):  # noqa: N802
        if self.data is not None:
            builder.StartVector(1, len(self.data), 16)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            data = builder.EndVector()
        schema.BufferStart(builder)
        if self.data is not None:
            schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


def write_tflite(graph: Graph, name: str) -> bytes:
    """A lowered stage as the bytes of a TFLite file with one signature, `serving_default`."""
    model, main = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, f"edgemask {name}"
    model.buffers, main.tensors, main.operators = [_AlignedBuffer()], [], []
    indices = {}

    def index(tensor: Tensor) -> int:
        if id(tensor) not in indices:
            indices[id(tensor)] = len(main.tensors)
            main.tensors.append(_tensor(tensor, model.buffers))
        return indices[id(tensor)]

    kinds = list(dict.fromkeys(operator.kind for operator in graph.operators))
    model.operatorCodes = [_code(kind) for kind in kinds]
    main.inputs = np.array([index(graph.input)], np.int32)
    for operator in graph.operators:
        inputs = np.array([index(tensor) for tensor in operator.inputs], np.int32)
        main.operators.append(_operator(operator, kinds.index(operator.kind), inputs, index(operator.output)))
    main.outputs = np.array([index(tensor) for tensor in graph.outputs], np.int32)
    main.name = name
    model.subgraphs = [main]
    model.signatureDefs = [_signature(graph, index)]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(tensor, buffers):
    packed = schema.TensorT()
    packed.name, packed.type = tensor.name, TYPES[tensor.dtype]
    packed.shape = np.array([max(side, 1) for side in tensor.shape], np.int32)
    if -1 in tensor.shape and tensor.data is None:
        packed.shapeSignature = np.array(tensor.shape, np.int32)
    if tensor.data is not None:
        buffer = _AlignedBuffer()
        buffer.data = tensor.data.tobytes()
        packed.buffer = len(buffers)
        buffers.append(buffer)
    if tensor.scale is not None:
        packed.quantization = schema.QuantizationParametersT()
        packed.quantization.scale = np.asarray(tensor.scale, np.float32)
        packed.quantization.zeroPoint = np.full(len(tensor.scale), tensor.zero_point, np.int64)
        packed.quantization.quantizedDimension = tensor.axis
    return packed


def _code(kind):
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, kind)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    code.version = VERSIONS[kind]
    return code


def _operator(operator: Operator, code, inputs, output):
    packed = schema.OperatorT()
    packed.opcodeIndex, packed.inputs, packed.outputs = code, inputs, np.array([output], np.int32)
    table = OPTIONS[operator.kind] + "Options"
    packed.builtinOptionsType = getattr(schema.BuiltinOptions, table)
    packed.builtinOptions = getattr(schema, table + "T")()
    for field, value in operator.options.items():
        value = getattr(schema.Padding, value) if field == "padding" else value
        setattr(packed.builtinOptions, field, value)
    return packed


def _signature(graph, index):
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = [_entry(graph.input, index)], [_entry(one, index) for one in graph.outputs]
    return signature


def _entry(tensor, index):
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = tensor.name, index(tensor)
    return entry
