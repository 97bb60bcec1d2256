"""Which layers quantisation hurts: each one quantised alone, and each one alone left in float."""

import numpy as np
import onnxruntime

from edgemask.calibration.calibrate import Calibrated, Observed
from edgemask.calibration.walk import LAYERS
from edgemask.convert.quantise import write_qdq
from edgemask.progress import progress

BATCHES = 6


def sensitivity(name: str, observed: Observed, calibrated: Calibrated) -> list[dict]:
    """Per layer of a stage, on a few calibration inputs: {"layer", "alone_db", "without_db"}.

    alone_db: SQNR of the stage's outputs with only this layer quantised; without_db: what leaving it in float adds
    to the SQNR of the wholly quantised stage. Outputs count the same, in dB.
    """
    batches = observed.batches[:: max(1, len(observed.batches) // BATCHES)][:BATCHES]
    wanted = _outputs(observed.model, batches)

    def decibels(model, names):
        qdq = write_qdq(model, calibrated.scales, calibrated.weight_scales, names)
        return _decibels(wanted, _outputs(qdq, batches))

    everything = [node.name for node in observed.model.graph.node]
    layers = {}
    for node in observed.model.graph.node:
        if node.op_type in LAYERS:
            layers.setdefault(node.input[1], []).append(node.name)
    whole, rows = decibels(calibrated.model, everything), []
    for weight, names in progress(list(layers.items()), f"sensitivity of {name}"):
        rows.append({
            "layer": weight.removeprefix("network.").removesuffix(".weight"),
            "alone_db": round(decibels(observed.model, names), 2),
            "without_db": round(decibels(calibrated.model, [one for one in everything if one not in names]) - whole, 2),
        })  # fmt: skip
    return rows


def _outputs(model, batches):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: batch}) for batch in batches]


def _decibels(wanted, got):
    """Mean over the outputs of their SQNR in dB."""
    ratios = []
    for want, have in zip(zip(*wanted, strict=True), zip(*got, strict=True), strict=True):
        signal = sum(float((one.astype(np.float64) ** 2).sum()) for one in want)
        noise = sum(float(((one.astype(np.float64) - other) ** 2).sum()) for one, other in zip(want, have, strict=True))
        ratios.append(10 * np.log10(signal / max(noise, 1e-9)))
    return float(np.mean(ratios))
