"""GPTQ rounding, bias correction and MSE-optimal ranges on networks small enough to check by hand."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

from edgemask.calibration import ranges  # noqa: E402
from edgemask.calibration.corrections import correct  # noqa: E402
from edgemask.calibration.rounding import nearest, weight_scales  # noqa: E402
from edgemask.calibration.walk import rounded, walk  # noqa: E402


def network(seed=0, kernel=3, group=1):
    """conv → ReLU6 → conv → sum with its input: x [N, 8, 12, 12]."""
    random = np.random.default_rng(seed)
    weights = {
        "w1": random.normal(size=(8, 8 // group, kernel, kernel)).astype(np.float32),
        "w2": random.normal(size=(8, 8, 1, 1)).astype(np.float32) * 0.5,
        "b1": random.normal(size=8).astype(np.float32),
        "b2": random.normal(size=8).astype(np.float32),
        "zero": np.float32(0), "six": np.float32(6),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["h"], "one", kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4, group=group),
        helper.make_node("Clip", ["h", "zero", "six"], ["r"], "relu"),
        helper.make_node("Conv", ["r", "w2", "b2"], ["s"], "two", kernel_shape=[1, 1]),
        helper.make_node("Add", ["x", "s"], ["y"], "sum"),
    ]
    sides = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8, 12, 12])] for name in ("x", "y")]
    constants = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    return helper.make_model(
        helper.make_graph(nodes, "g", *sides, constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


def batches(seed, count=6):
    """Channels that go together, as in a real network: there GPTQ has something to make up with."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(8, 3))
    return [
        (np.einsum("ck,nkhw->nchw", mixing, random.normal(size=(2, 3, 12, 12))) + 0.5).astype(np.float32)
        for _ in range(count)
    ]


def weights_of(model):
    return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}


def loss(model, corrected, scales, unseen):
    """Squared error of the quantised network's sum, weights as given, activations rounded."""
    total = 0.0
    fixed = weights_of(corrected)
    outputs = {}
    for layer in walk(model, scales, unseen):
        exact = list(layer.run(layer.exact, layer.weight, layer.bias))
        layer.weight, layer.bias = fixed[layer.node.input[1]], fixed[layer.node.input[2]]
        outputs[layer.node.name] = zip(exact, layer.run(layer.quantised, layer.weight, layer.bias), strict=True)
    for want, got in outputs["two"]:
        total += float(((want - got) ** 2).mean())
    return total


@pytest.mark.parametrize("kernel, group", [(3, 1), (1, 1), (3, 8), (5, 8)])
def test_each_correction_brings_unseen_outputs_nearer_to_float(kernel, group):
    won = {"rounding": 0, "bias": 0, "both": 0}
    for seed in range(5):
        model = network(seed, kernel, group)
        scales = ranges.scales(ranges.min_max(model, batches(seed)))
        plain, rounding, bias, both = (
            loss(model, correct(model, scales, batches(seed), *how).model, scales, batches(seed + 100))
            for how in ((False, False), (True, False), (False, True), (True, True))
        )
        won["bias"] += bias <= plain
        won["both"] += both < plain
    assert won["both"] >= 4 and won["bias"] >= 3


def test_rounded_weights_lie_on_the_grid_and_scales_are_untouched():
    model = network()
    scales = ranges.scales(ranges.min_max(model, batches(0)))
    before = dict(scales)
    found = correct(model, scales, batches(0))
    assert scales == before
    plain, fixed = weights_of(model), weights_of(found.model)
    for name in ("w1", "w2"):
        steps = fixed[name] / found.weight_scales[name].reshape(-1, 1, 1, 1)
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
        assert np.abs(steps).max() <= 127.001
        assert 0 < np.abs(fixed[name] - plain[name]).max() < 20 * found.weight_scales[name].max()
        np.testing.assert_allclose(found.weight_scales[name], weight_scales(plain[name]), rtol=0.3)


def test_without_rounding_weights_go_to_the_nearest_step():
    model = network()
    scales = ranges.scales(ranges.min_max(model, batches(0)))
    found = correct(model, scales, batches(0), rounding=False, bias=False)
    plain, fixed = weights_of(model), weights_of(found.model)
    np.testing.assert_array_equal(fixed["w1"], nearest(plain["w1"])[0])
    np.testing.assert_array_equal(found.weight_scales["w1"], weight_scales(plain["w1"]))
    np.testing.assert_array_equal(fixed["b1"], plain["b1"])


def test_bias_correction_takes_the_mean_error_away():
    model = network()
    scales = ranges.scales(ranges.min_max(model, batches(0)))
    fixed = weights_of(correct(model, scales, batches(0), rounding=False).model)
    for layer in walk(model, scales, batches(0)):
        exact = np.concatenate(list(layer.run(layer.exact, layer.weight, layer.bias)))
        layer.weight, layer.bias = fixed[layer.node.input[1]], fixed[layer.node.input[2]]
        got = np.concatenate(list(layer.run(layer.quantised, layer.weight, layer.bias)))
        assert np.abs((exact - got).mean(axis=(0, 2, 3))).max() < 1e-5


def test_a_layer_used_twice_is_corrected_once_on_both_inputs():
    model = network()
    again = helper.make_node("Conv", ["x", "w2", "b2"], ["t"], "shared", kernel_shape=[1, 1])
    model.graph.node.insert(0, again)
    model.graph.output.append(helper.make_tensor_value_info("t", TensorProto.FLOAT, None))
    scales = ranges.scales(ranges.min_max(model, batches(0)))
    layers = [(layer.node.input[1], len(layer.exact)) for layer in walk(model, scales, batches(0))]
    assert sorted(layers) == [("w1", 6), ("w2", 12)]


def test_mse_ranges_give_up_a_long_tail_and_keep_a_flat_spread():
    model = network()
    random = np.random.default_rng(0)
    spread = random.uniform(-1, 1, (4, 8, 12, 12)).astype(np.float32)
    tailed = random.laplace(size=(400, 8, 12, 12)).astype(np.float32)
    found = {}
    for name, values in (("spread", spread), ("tailed", tailed)):
        identity = helper.make_model(
            helper.make_graph(
                [helper.make_node("Identity", ["x"], ["y"])], "g", [model.graph.input[0]],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8, 12, 12])],
            ), opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
        )  # fmt: skip
        widest = ranges.min_max(identity, [values])
        best = ranges.mse_optimal(identity, widest, [values])["y"]
        found[name] = best[1] / widest["y"][1]
        scale, zero = ranges.scales({"y": best})["y"], ranges.scales({"y": widest["y"]})["y"]
        assert np.square(rounded(values, *scale) - values).mean() <= np.square(rounded(values, *zero) - values).mean() * 1.01
    assert found["spread"] > 0.95 and found["tailed"] < 0.9
