"""Quantisation-aware fine-tuning (Jacob et al. 2018): the last of training, on networks rounded as int8 will round them.

What is trained are the very graphs that conversion exports, with batch norm folded and the calibrated scales held, so that
each tensor is rounded where int8 rounds it. The result is a checkpoint like any other, to be converted as usual.
"""

import copy
from dataclasses import replace
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from edgemask.calibration.rounding import weight_scales
from edgemask.calibration.walk import ACTIVATIONS, LAYERS
from edgemask.convert.checkpoint import save_checkpoint
from edgemask.convert.conversion import Conversion
from edgemask.convert.network import CHANNELS, Network, Unit
from edgemask.convert.train.loader import Views, batches
from edgemask.convert.train.losses import Losses
from edgemask.convert.train.recipe import Recipe
from edgemask.convert.train.trainer import CLIP, Place, frozen, pace
from edgemask.files import replacing
from edgemask.progress import progress

GAIN = 0.3  # points of mask AP, for which a second set of weights is worth having
RATE = 0.1  # of the recipe's: the weights are to settle on the grid, not to go elsewhere


class Rounded(nn.Module):
    """One exported float stage as a torch module that rounds every weight and activation to its scale.

    model: the core ONNX graph; scales: {tensor: (scale, zero point)} of uint8. The weights' own scales are those of the weights
    at the beginning; a layer whose output has no scale stays in float.
    Gradients pass through the rounding, except where a value is cut (Bengio et al. 2013).
    """

    def __init__(self, model: onnx.ModelProto, scales):
        super().__init__()
        self.graph, self.scales = model.graph, {name: (float(scale), int(zero)) for name, (scale, zero) in scales.items()}
        constants = {one.name: torch.from_numpy(numpy_helper.to_array(one).copy()) for one in model.graph.initializer}
        layers = [node for node in model.graph.node if node.op_type in LAYERS]
        learned = {name for node in layers for name in node.input[1:3]}
        self.weights = nn.ParameterDict({_key(name): nn.Parameter(constants[name]) for name in sorted(learned)})
        rounded = {node.input[1] for node in layers if node.output[0] in scales}
        self.steps = {name: torch.from_numpy(weight_scales(constants[name].numpy())) for name in rounded}
        # What a convolution passes to its activation is never rounded.
        self.silent = {node.input[0] for node in model.graph.node if node.op_type in ACTIVATIONS}

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every output by name, for an input [N, C, H, W]."""
        values = {self.graph.input[0].name: self._rounded(self.graph.input[0].name, x)}
        for node in self.graph.node:
            name = node.output[0]
            values[name] = getattr(self, f"_{node.op_type.lower()}")(node, values)
            if name not in self.silent:
                values[name] = self._rounded(name, values[name])
        return {one.name: values[one.name] for one in self.graph.output}

    def _rounded(self, name, values):
        if name not in self.scales:
            return values
        scale, zero_point = self.scales[name]
        return torch.fake_quantize_per_tensor_affine(values, scale, zero_point, 0, 255)

    def _layer(self, node):
        weight, bias = (self.weights[_key(name)] for name in node.input[1:3])
        if node.input[1] in self.steps:
            steps = self.steps[node.input[1]]
            weight = torch.fake_quantize_per_channel_affine(weight, steps, torch.zeros(len(steps), dtype=torch.int32), 0, -127, 127)
        return weight, bias

    def _conv(self, node, values):
        has = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        top, left, bottom, right = has.get("pads", (0, 0, 0, 0))
        padded = functional.pad(values[node.input[0]], (left, right, top, bottom))
        return functional.conv2d(padded, *self._layer(node), stride=has.get("strides", 1), groups=has.get("group", 1))

    def _gemm(self, node, values):
        return functional.linear(values[node.input[0]], *self._layer(node))

    def _clip(self, node, values):
        return functional.relu6(values[node.input[0]])

    def _relu(self, node, values):
        return values[node.input[0]].relu()

    def _add(self, node, values):
        return values[node.input[0]] + values[node.input[1]]

    def _resize(self, node, values):
        return functional.interpolate(values[node.input[0]], scale_factor=2, mode="nearest")

    def _maxpool(self, node, values):  # a window of one cell: P6 is every second one of P5
        return values[node.input[0]][..., ::2, ::2]

    def _transpose(self, node, values):
        return values[node.input[0]].permute(*onnx.helper.get_attribute_value(node.attribute[0]))

    def _flatten(self, node, values):
        return values[node.input[0]].flatten(1)


class RoundedNetwork(nn.Module):
    """The stages of a quantised conversion, answering as a `Network` does, so that `Losses` can train them.

    They begin with the float weights: those that calibration corrected make up for a rounding that they then have behind
    them, and conversion, which corrects what comes out, would do so twice.
    """

    def __init__(self, conversion: Conversion):
        super().__init__()
        found = conversion.quantiser.calibrated(conversion.plan)
        self.stages = nn.ModuleDict({one.name: Rounded(one.model, found[one.name].scales) for one in conversion.exported})

    def trunk(self, image):
        """As Network.trunk, without P6, from which no RoI is read."""
        found = self.stages["trunk"](image)
        kinds = ("p", "objectness", "deltas")
        return tuple([value for name, value in found.items() if name.rstrip("0123456789_") == kind] for kind in kinds)

    def box(self, rois):
        """As Network.box."""
        return tuple(self.stages["box"](rois).values())

    def mask(self, rois):
        """As Network.mask."""
        return self.stages["mask"](rois)["mask_logits"]

    def network(self, like: Network) -> Network:
        """A float network with these weights; its batch norms do nothing but add the biases."""
        network = copy.deepcopy(like)
        units = {name: one for name, one in network.named_modules() if isinstance(one, Unit)}
        state = {name: weight.detach().clone() for name, weight in self.learned()}
        fc1 = state["box.fc1.weight"]  # exported in the order of NHWC
        side = int((fc1.shape[1] // CHANNELS) ** 0.5)
        state["box.fc1.weight"] = fc1.reshape(-1, side, side, CHANNELS).permute(0, 3, 1, 2).reshape(fc1.shape)
        for name, unit in units.items():
            unit.bn.reset_parameters()
            unit.bn.running_var.fill_(1 - unit.bn.eps)
            state[f"{name}.bn.bias"] = state.pop(f"{name}.conv.bias")
        network.load_state_dict(state, strict=False)
        return network.eval()

    def learned(self):
        """(Name in a checkpoint, weight as exported) of every layer."""
        for stage, rounded in self.stages.items():
            for key, weight in rounded.weights.items():
                yield key.replace("/", ".").replace("network.", "").replace("head.", f"{stage}."), weight


def settle(conversion: Conversion, recipe: Recipe, pictures, workers: int = 0) -> Network:
    """A quantised conversion's weights after the recipe's `quantised` iterations under its scales: a float network to convert.

    pictures: labelled ones to learn from (train.dataset). AdamW at a tenth of the recipe's rate, on the CPU; what the recipe
    leaves as it is stays so here.
    """
    rounded = RoundedNetwork(conversion)
    asleep = tuple(f"{name}." for name in frozen(conversion.checkpoint.network, recipe))
    for name, weight in rounded.learned():
        weight.requires_grad_(not name.startswith(asleep))
    losses = Losses(rounded, conversion.checkpoint.classes, recipe.input)
    optimiser = torch.optim.AdamW(rounded.parameters(), lr=recipe.rate * RATE, weight_decay=0)
    short = replace(recipe, iterations=recipe.quantised, seed=recipe.seed + 1)
    shares = batches(Views(pictures, short), short.batch, 0, Place(torch.device("cpu")), workers)
    for iteration, labels in enumerate(progress(shares, "quantisation-aware", short.iterations)):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * RATE * pace(iteration, short)
        found = losses(labels, short.seed * 1_000_003 + iteration)
        optimiser.zero_grad(set_to_none=True)
        sum(found.values()).backward()
        torch.nn.utils.clip_grad_norm_(rounded.parameters(), CLIP)
        optimiser.step()
    return rounded.network(conversion.checkpoint.network)


def last_step(best: Path, recipe: Recipe, pictures, classes, workers: int) -> str:
    """Fine-tune a run's best checkpoint for int8; it is replaced when int8's mask AP on val rises by GAIN. What came of it."""
    tuned = best.with_stem("quantised")
    with _int8(best, recipe) as before:
        summary = before.measure(recipe.val, ["tflite"])["tflite"].summary
        save_checkpoint(settle(before, recipe, pictures, workers), classes, tuned, recipe.licence, recipe=recipe.sha256)
    with _int8(tuned, recipe) as after:
        exact, gained = (one.summary for one in after.measure(recipe.val, ["float", "tflite"]).values())
    gain = gained["mask"]["AP"] - summary["mask"]["AP"]
    if kept := gain >= GAIN:
        with replacing(best) as temporary:
            temporary.write_bytes(tuned.read_bytes())
    figures = ", ".join(
        f"{kind} AP {summary[kind]['AP']:.2f} to {gained[kind]['AP']:.2f} (float {exact[kind]['AP']:.2f})"
        for kind in ("box", "mask")
    )
    return f"int8 after quantisation-aware fine-tuning: {figures}; {'kept' if kept else f'not kept, it has to be {GAIN} or more'}"


def _int8(checkpoint, recipe):
    """The checkpoint calibrated on the training pictures; one engine measures for both, which give the same bits."""
    conversion = Conversion(checkpoint, *recipe.input)
    conversion.to_int8(recipe.train[0])
    return conversion


def _key(name):
    return name.replace(".", "/")  # a ParameterDict's names have no dots
