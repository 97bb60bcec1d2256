"""Float ONNX stages from the torch network: batch norm folded, static shapes, checked against torch.

These "core" stages are NCHW with a normalised float input, the form that calibration and
quantisation work on; convert/runtime_graph.py turns them into what an engine runs.
"""

import copy
import io
import warnings
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgemask.convert.network import CHANNELS, STRIDES, Network, Unit
from edgemask.errors import ConversionError

OPSET = 17
LEVELS = range(len(STRIDES))
TOLERANCE = 1e-4  # of the largest value: far below what int8 can see


class Trunk(nn.Module):
    """The trunk with its outputs in one flat tuple: p3, p4, p5, objectness per level, deltas per level."""

    names = ["p3", "p4", "p5", *(f"objectness_{i}" for i in LEVELS), *(f"deltas_{i}" for i in LEVELS)]

    def __init__(self, network: Network):
        super().__init__()
        self.network = network

    def forward(self, image):
        levels, objectness, deltas = self.network.trunk(image)
        return *levels[:3], *objectness, *deltas


class Box(nn.Module):
    """The box head flattened in H, W, C order, so that an NHWC engine needs no transpose."""

    names = ["box_scores", "box_deltas"]

    def __init__(self, network: Network):
        super().__init__()
        self.head = network.box
        weight = self.head.fc1.weight.data
        size = int((weight.shape[1] // CHANNELS) ** 0.5)
        nhwc = weight.reshape(-1, CHANNELS, size, size).permute(0, 2, 3, 1).reshape(weight.shape)
        self.head.fc1.weight.data = nhwc.contiguous()

    def forward(self, rois):
        head = self.head
        x = head.pointwise(head.depthwise(rois)).permute(0, 2, 3, 1).flatten(1)
        x = torch.relu(head.fc2(torch.relu(head.fc1(x))))
        return head.scores(x), head.deltas(x)


class Mask(nn.Module):
    """The mask head."""

    names = ["mask_logits"]

    def __init__(self, network: Network):
        super().__init__()
        self.head = network.mask

    def forward(self, rois):
        return self.head(rois)


class Dense(nn.Module):
    """The dense head; U and V end at 0 and 1, where their int8 range ends too."""

    names = ["dense_parts", "dense_u", "dense_v"]

    def __init__(self, network: Network):
        super().__init__()
        self.head = network.dense

    def forward(self, rois):
        parts, u, v = self.head(rois)
        return parts, u.clamp(0, 1), v.clamp(0, 1)


@dataclass(frozen=True)
class Stage:
    """One float network: `model` is a core ONNX graph, `reference` its torch module."""

    name: str
    model: onnx.ModelProto
    reference: nn.Module


def export_stages(network: Network, width: int, height: int) -> list[Stage]:
    """The stages trunk, box, mask and, where there is one, dense of a network for a fixed input; heads take any batch."""
    inputs = {
        "trunk": (Trunk, "image", torch.zeros(1, 3, height, width)),
        "box": (Box, "rois", torch.zeros(2, CHANNELS, 7, 7)),
        "mask": (Mask, "rois", torch.zeros(2, CHANNELS, 14, 14)),
    }
    if network.dense:
        inputs["dense"] = Dense, "rois", torch.zeros(2, CHANNELS, 14, 14)
    stages = []
    for name, (wrapper, input_name, example) in inputs.items():
        module = fold_batch_norm(wrapper(copy.deepcopy(network).eval()))
        model = _export(module, input_name, example, dynamic=name != "trunk")
        stages.append(Stage(name, model, module))
    return stages


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Fold every unit's batch norm into its convolution, in place."""
    for unit in module.modules():
        if isinstance(unit, Unit):
            unit.conv, unit.bn = fuse_conv_bn_eval(unit.conv, unit.bn), nn.Identity()
    return module


def check_stage(stage: Stage, batch: np.ndarray) -> float:
    """Worst difference of ONNX Runtime from torch in float64 on an input [N, C, H, W] float32, relative to each
    output's largest value; raises ConversionError above TOLERANCE."""
    # Against float32, torch's own rounding would count as well, which is the larger of the two.
    exact = copy.deepcopy(stage.reference).double()
    session = onnxruntime.InferenceSession(stage.model.SerializeToString(), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = exact(torch.from_numpy(batch).double())
    expected = expected if isinstance(expected, tuple) else (expected,)
    results = session.run(None, {session.get_inputs()[0].name: batch})
    worst = 0.0
    for output, got, want in zip(stage.reference.names, results, expected, strict=True):
        want = want.numpy()
        difference = float(np.abs(got - want).max(initial=0) / max(np.abs(want).max(initial=0), 1e-6))
        if not difference <= TOLERANCE:
            raise ConversionError(
                f"stage {stage.name}: ONNX Runtime's {output} is off torch's by {difference:.1e} of its "
                f"largest value, more than {TOLERANCE:.0e}: the export is wrong"
            )
        worst = max(worst, difference)
    return worst


def _export(module, input_name, example, dynamic):
    names = module.names
    axes = {name: {0: "N"} for name in [input_name, *names]} if dynamic else None
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # The legacy exporter folds more cleanly here than its successor and announces its age each time.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (example,), buffer, input_names=[input_name], output_names=names,
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    model = onnx.load_from_string(buffer.getvalue())
    _fold_constants(model.graph)
    _merge_pads(model.graph)
    onnx.checker.check_model(model)
    return onnx.shape_inference.infer_shapes(model)


def _fold_constants(graph):
    """Nodes that compute from constants alone (the exporter's padding arithmetic) become initializers."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in list(graph.node):
        inputs = [name for name in node.input if name]
        if all(name in values for name in inputs):
            results = ReferenceEvaluator(node).run(None, {name: values[name] for name in inputs})
            values.update(zip(node.output, results, strict=True))
            graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items() if name in used)


def _merge_pads(graph):
    """Zero padding in front of a convolution becomes the convolution's own."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pads = {node.output[0]: node for node in graph.node if node.op_type == "Pad"}
    for conv in graph.node:
        if conv.op_type != "Conv" or conv.input[0] not in pads:
            continue
        pad = pads.pop(conv.input[0])
        amounts = constants[pad.input[1]].reshape(2, -1)[:, -2:].reshape(-1)
        own = next(attribute for attribute in conv.attribute if attribute.name == "pads")
        total = [int(a + b) for a, b in zip(own.ints, amounts, strict=True)]
        own.CopyFrom(helper.make_attribute("pads", total))
        conv.input[0] = pad.input[0]
        graph.node.remove(pad)
        graph.initializer.remove(next(tensor for tensor in graph.initializer if tensor.name == pad.input[1]))
    if pads:
        raise ConversionError(f"the export left a padding that belongs to no convolution: {sorted(pads)[0]}")
