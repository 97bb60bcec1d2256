"""Calibrating one stage: ranges, scales, corrected weights. What comes out is all that quantisation needs."""

from dataclasses import dataclass

import numpy as np
import onnx

from edgemask.calibration.corrections import correct
from edgemask.calibration.exact_adds import exact_adds
from edgemask.calibration.ranges import Ranges, Scales, min_max, mse_optimal, scales


@dataclass(frozen=True)
class Technique:
    """One way to quantise a stage: which ranges, which corrections after them, and which of its outputs come from
    layers that stay in float."""

    mse: bool
    rounding: bool
    bias: bool
    floats: tuple[str, ...] = ()

    def __str__(self):
        parts = ["MSE-optimal ranges" if self.mse else "min-max ranges"]
        parts += ["GPTQ rounding"] * self.rounding + ["bias correction"] * self.bias
        parts += [f"float {', '.join(self.floats)}"] * bool(self.floats)
        return ", ".join(parts)


# Every step alone and together, so that a report can say what each of them gave.
TECHNIQUES = (
    Technique(False, False, False),
    Technique(True, False, False),
    Technique(True, True, False),
    Technique(True, False, True),
    Technique(False, True, True),
    Technique(True, True, True),
)


@dataclass(frozen=True)
class Calibrated:
    """A float stage with its weights on their int8 grid, the scale and zero point of every tensor that is quantised,
    and the scales of the weights by initializer."""

    model: onnx.ModelProto
    scales: Scales
    weight_scales: dict[str, np.ndarray]


@dataclass(frozen=True)
class Observed:
    """What a stage's calibration inputs showed: its ranges by both methods, and the inputs corrections work on.

    tied: groups of tensors that share one scale. `calibrate` takes as fixed what the stage does not choose, its input's scale.
    """

    model: onnx.ModelProto
    min_max: Ranges
    mse: Ranges
    batches: list[np.ndarray]
    tied: tuple = ()

    def calibrate(self, technique: Technique, fixed: Scales) -> Calibrated:
        """Scales and weights by one technique."""
        found = scales(self.mse if technique.mse else self.min_max, self.tied)
        found = exact_adds(self.model, found) | fixed
        found = {name: scale for name, scale in found.items() if name not in technique.floats}
        corrected = correct(self.model, found, self.batches, technique.rounding, technique.bias)
        return Calibrated(corrected.model, found, corrected.weight_scales)


def observe(model: onnx.ModelProto, every, some: list[np.ndarray], tied=()) -> Observed:
    """Ranges of a stage.

    every: all calibration inputs [N, C, H, W] float32, streamed through once for the min-max ranges; some: those of
    a few pictures, kept in memory, for the MSE-optimal ranges and the corrections.
    """
    widest = min_max(model, every)
    return Observed(model, widest, mse_optimal(model, widest, some), some, tied)
