"""The graphs an engine runs: NHWC in and out, raw bytes where the stage is quantised.

Transposes stand at the rim only, where ONNX Runtime's own move to NHWC cancels them.
"""

import copy

import onnx
from onnx import TensorProto, helper

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def quantised_graph(qdq: onnx.ModelProto) -> onnx.ModelProto:
    """A QDQ stage with uint8 NHWC input and outputs: Quantize and Dequantize at the rim go. An output that a float
    layer gives stays float32."""
    model = copy.deepcopy(qdq)
    graph = model.graph
    entry = graph.input[0]
    quantize = next(node for node in graph.node if entry.name in node.input)
    graph.node.remove(quantize)
    _enter_nhwc(graph, TensorProto.UINT8, quantize.output[0])
    for output in graph.output:
        dequantize = next(node for node in graph.node if output.name in node.output)
        if dequantize.op_type != "DequantizeLinear":
            _rename(graph, output.name, output.name + "_nchw")
            _leave_nhwc(graph, output, TensorProto.FLOAT)
            continue
        quantised = dequantize.input[0]
        if any(output.name in node.input for node in graph.node):  # a level that the RPN reads too
            _rename(graph, output.name, output.name + "_real")
        else:
            graph.node.remove(dequantize)
        _rename(graph, quantised, output.name + "_nchw")
        _leave_nhwc(graph, output, TensorProto.UINT8)
    return _checked(model)


def float_graph(core: onnx.ModelProto) -> onnx.ModelProto:
    """A core float stage with NHWC input and outputs; the trunk's takes raw bytes and normalises them."""
    model = copy.deepcopy(core)
    graph = model.graph
    entry = graph.input[0].name
    _rename(graph, entry, entry + "_nchw")
    if entry == "image":
        _rename(graph, "image_nchw", "image_normalised")
        constants = {"image_mean": 127, "image_divisor": 128}
        graph.initializer.extend(helper.make_tensor(k, TensorProto.FLOAT, [], [v]) for k, v in constants.items())
        for node in (
            helper.make_node("Div", ["image_centred", "image_divisor"], ["image_normalised"]),
            helper.make_node("Sub", ["image_real", "image_mean"], ["image_centred"]),
            helper.make_node("Cast", ["image_nchw"], ["image_real"], to=TensorProto.FLOAT),
        ):
            graph.node.insert(0, node)
    _enter_nhwc(graph, TensorProto.UINT8 if entry == "image" else TensorProto.FLOAT, entry + "_nchw")
    for output in graph.output:
        _rename(graph, output.name, output.name + "_nchw")
        _leave_nhwc(graph, output, TensorProto.FLOAT)
    return _checked(model)


def _rename(graph, old, new):
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new


def _enter_nhwc(graph, dtype, inner):
    entry = graph.input[0]
    graph.node.insert(0, helper.make_node("Transpose", [entry.name], [inner], perm=TO_NCHW))
    _retype(entry, dtype, TO_NHWC)


def _leave_nhwc(graph, output, dtype):
    inner = output.name + "_nchw"
    if len(output.type.tensor_type.shape.dim) == 4:
        graph.node.append(helper.make_node("Transpose", [inner], [output.name], perm=TO_NHWC))
        _retype(output, dtype, TO_NHWC)
    else:
        _rename(graph, inner, output.name)
        _retype(output, dtype, range(2))


def _retype(value, dtype, order):
    dims = list(value.type.tensor_type.shape.dim)
    shape = [dims[axis].dim_param or dims[axis].dim_value for axis in order]
    value.CopyFrom(helper.make_tensor_value_info(value.name, dtype, shape))


def _checked(model):
    # Types inferred before the rewrite no longer hold.
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    return model
