"""The TFLite writer: what it writes, and what it refuses."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch")
from ai_edge_litert import schema_py_generated as schema  # noqa: E402

from edgemask.bundle import Bundle  # noqa: E402
from edgemask.calibration import ranges  # noqa: E402
from edgemask.calibration.exact_adds import Q, exact_adds  # noqa: E402
from edgemask.convert.quantise import write_qdq  # noqa: E402
from edgemask.convert.runtime_graph import quantised_graph  # noqa: E402
from edgemask.convert.tflite_file import write_tflite  # noqa: E402
from edgemask.convert.tflite_graph import lower  # noqa: E402
from edgemask.engines.litert import LiteRtEngine  # noqa: E402
from edgemask.engines.onnx import OnnxEngine  # noqa: E402
from edgemask.errors import ConversionError  # noqa: E402


def graph_of(nodes, initializers, inputs, outputs):
    infos = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in initializers.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "g", *infos, constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    return onnx.shape_inference.infer_shapes(model)


def convolution(seed=0, **attributes):
    random = np.random.default_rng(seed)
    pads = attributes.setdefault("pads", [1, 1, 1, 1])
    attributes.setdefault("strides", [1, 1])
    constants = {
        "w": random.normal(size=attributes.pop("weight", (16, 8, 3, 3))).astype(np.float32),
        "b": random.normal(size=16).astype(np.float32),
    }
    size = (16 + pads[0] + pads[2] - 3) // attributes["strides"][0] + 1
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], name="the_conv", kernel_shape=[3, 3], **attributes)
    return graph_of([node], constants, {"x": [1, 8, 16, 16]}, {"y": [1, 16, size, size]})


def quantised(model, shape=(1, 8, 16, 16)):
    batch = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    return write_qdq(model, exact_adds(model, ranges.scales(ranges.min_max(model, [batch]))), {})


def test_the_file_says_what_tflite_wants(converted):
    content = bytearray(Bundle(converted[0]).read("trunk", "tflite"))
    assert content[4:8] == b"TFL3"
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    main = model.subgraphs[0]
    assert [one.signatureKey for one in model.signatureDefs] == [b"serving_default"]
    assert [main.tensors[i].name for i in main.inputs] == [b"image"]
    (image,) = (main.tensors[i] for i in main.inputs)
    assert image.type == schema.TensorType.INT8 and image.quantization.zeroPoint.tolist() == [-1]
    for operator in main.operators:
        kind = model.operatorCodes[operator.opcodeIndex].builtinCode
        if kind not in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D):
            continue
        source, weight, bias = (main.tensors[i] for i in operator.inputs)
        assert weight.type == schema.TensorType.INT8 and not np.any(weight.quantization.zeroPoint)
        assert bias.type == schema.TensorType.INT32
        products = source.quantization.scale * weight.quantization.scale
        np.testing.assert_allclose(bias.quantization.scale, products, rtol=1e-6)
        assert operator.builtinOptions.padding == schema.Padding.SAME or weight.shape[1:3].tolist() == [1, 1]
    raw = schema.Model.GetRootAs(content, 0)
    for index in range(raw.BuffersLength()):
        if data := raw.Buffers(index).DataLength():
            start = content.find(raw.Buffers(index).DataAsNumpy().tobytes()) if data > 4000 else 0
            assert start % 16 == 0


@pytest.mark.parametrize(
    "attributes, said",
    [
        ({"pads": [0, 0, 1, 1]}, "not TFLite's SAME"),
        ({"dilations": [2, 2], "pads": [2, 2, 2, 2]}, "grouped or dilated"),
        ({"group": 2, "weight": (16, 4, 3, 3)}, "grouped or dilated"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(attributes, said):
    model = convolution(**attributes)
    if "dilations" in attributes:
        model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 16, 16]))
    with pytest.raises(ConversionError, match=f"the_conv.*{said}"):
        lower(quantised(model))


def test_an_unknown_operator_is_refused_by_name():
    node = helper.make_node("Softmax", ["x"], ["y"], name="the_softmax")
    model = graph_of([node], {}, {"x": [1, 8]}, {"y": [1, 8]})
    with pytest.raises(ConversionError, match="the_softmax is a Softmax"):
        lower(model)


@pytest.mark.parametrize("attributes", [{}, {"strides": [2, 2], "pads": [0, 0, 1, 1]}, {"pads": [0, 0, 0, 0]}])
def test_a_convolution_gives_the_same_bits_in_both_runtimes(attributes):
    qdq = quantised(convolution(**attributes))
    onnx_engine = OnnxEngine(quantised_graph(qdq).SerializeToString())
    litert = LiteRtEngine(write_tflite(lower(qdq), "g"))
    values = np.random.default_rng(2).integers(0, 256, (1, 16, 16, 8)).astype(np.uint8)
    np.testing.assert_array_equal(litert(values)["y"].view(np.uint8) ^ 0x80, onnx_engine(values)["y"])


def sums(seed, fit):
    """All 65,536 sums of two bytes with random scales, made to fit or not: (ONNX Runtime's, LiteRT's)."""
    random = np.random.default_rng(seed)
    # Two 1×1 convolutions that pass one channel each on: the Add's inputs need scales of their own.
    pick = [np.eye(2, dtype=np.float32)[i].reshape(1, 2, 1, 1) * random.uniform(0.4, 2) for i in (0, 1)]
    nodes = [
        helper.make_node("Conv", ["x", f"w{i}", f"b{i}"], [f"x{i}"], name=f"pick{i}", kernel_shape=[1, 1]) for i in (1, 2)
    ]
    nodes.append(helper.make_node("Add", ["x1", "x2"], ["y"], name="the_add"))
    constants = {"w1": pick[0], "w2": pick[1], "b1": np.zeros(1, np.float32), "b2": np.zeros(1, np.float32)}
    model = graph_of(nodes, constants, {"x": [1, 2, 256, 256]}, {"y": [1, 1, 256, 256]})
    low, high = random.uniform(-3, -0.1, 3), random.uniform(0.1, 3, 3)
    found = ranges.scales({name: (low[i], high[i]) for i, name in enumerate(("x1", "x2", "y"))} | {"x": (-1, 1)})
    if fit:
        plain, found = found, exact_adds(model, found)
        for name in ("x1", "x2"):
            multiple = Q * float(found[name][0]) / float(found["y"][0])
            assert abs(multiple - round(multiple)) < 1e-4
        assert all(found[name][0] >= plain[name][0] * (1 - 1e-6) for name in found)
    qdq = write_qdq(model, found, {})
    values = np.stack(np.meshgrid(np.arange(256), np.arange(256)), axis=-1).astype(np.uint8)[None]
    litert = LiteRtEngine(write_tflite(lower(qdq), "g"))(values)["y"].view(np.uint8) ^ 0x80
    return OnnxEngine(quantised_graph(qdq).SerializeToString())(values)["y"], litert


@pytest.mark.parametrize("seed", range(6))
def test_every_sum_of_two_bytes_gives_the_same_bits_in_both_runtimes(seed):
    first, second = sums(seed, fit=True)
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) > 50


def test_with_scales_as_they_come_some_sums_differ_by_a_step():
    """The reason for exact_adds: if this fails, the runtimes round alike by now and it can go."""
    found = [np.abs(np.subtract(*(one.astype(int) for one in sums(seed, fit=False)))) for seed in range(6)]
    assert any(difference.any() for difference in found) and max(difference.max() for difference in found) == 1
