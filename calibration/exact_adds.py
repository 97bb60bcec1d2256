"""Scales with which every Add gives the same bits in every runtime.

ONNX Runtime adds in float and rounds ties to even; XNNPACK and TFLite multiply by fixed-point ratios and
round ties up, so a few sums in a thousand differ by a step. Where both input scales are whole multiples of
a Q-th of the output's, Q odd, no sum is a tie: each stays 1 / 2Q of a step away from one, several times what
either arithmetic can be off (2 · 255 / 2²² in XNNPACK's multipliers), and all round alike.
"""

import math

import numpy as np
import onnx

from edgemask.calibration.ranges import Scales
from edgemask.errors import ConversionError

Q = 511
# Operators that move their input about and keep its scale.
MOVES = ("Resize", "MaxPool", "Transpose", "Flatten")


def exact_adds(model: onnx.ModelProto, scales: Scales) -> Scales:
    """A float stage's scales with those around each Add made commensurable.

    The first input keeps its scale; sum and other input grow to the next fitting one, about 1 / Q. Zero points
    stay, so no range shrinks.
    """
    scales, fixed = dict(scales), set()
    for node in model.graph.node:
        if node.op_type in MOVES and node.input[0] in scales:
            scales[node.output[0]] = scales[node.input[0]]
            fixed.add(node.output[0])
        elif node.op_type == "Add":
            kept, free = sorted(node.input, key=lambda name: name not in fixed)
            if free in fixed:
                raise ConversionError(f"both inputs of {node.name} have scales that other nodes need as they are")
            total = node.output[0]
            step = float(scales[kept][0])
            unit = step / max(1, math.floor(Q * step / float(scales[total][0])))
            for name, multiple in ((total, Q), (free, math.ceil(float(scales[free][0]) / unit))):
                scales[name] = np.float32(unit * multiple), scales[name][1]
            fixed |= {kept, free, total}
    return scales
