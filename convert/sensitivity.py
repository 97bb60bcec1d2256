"""Which layers quantisation hurts: each one quantised alone, and each one alone left in float."""

import numpy as np
import onnxruntime

from edgemask.calibration.calibrate import Observed
from edgemask.calibration.ranges import Scales
from edgemask.calibration.walk import LAYERS
from edgemask.convert.quantise import write_qdq
from edgemask.progress import progress

BATCHES = 6


def layers(model) -> dict[str, list[str]]:
    """The layers of a stage by the weight they use, and the nodes of each."""
    found = {}
    for node in model.graph.node:
        if node.op_type in LAYERS:
            found.setdefault(node.input[1], []).append(node.name)
    return found


def last_layers(observed: Observed) -> dict[str, tuple[str, ...]]:
    """The layers that end a stage and whose outputs no network reads, by weight, and the outputs of each."""
    ends = {output.name for output in observed.model.graph.output} - {name for group in observed.tied for name in group}
    outputs = {node.name: node.output[0] for node in observed.model.graph.node if node.output[0] in ends}
    found = layers(observed.model).items()
    return {weight: tuple(outputs[name] for name in names) for weight, names in found if set(names) <= set(outputs)}


def sensitivity(name: str, observed: Observed, scales: Scales, weights=None) -> list[dict]:
    """Per layer of a stage (or of `weights` alone), on a few calibration inputs: {"layer", "alone_db", "without_db"}.

    alone_db: SQNR of the stage's outputs with only this layer quantised; without_db: what leaving it in float adds
    to the SQNR of the wholly quantised stage. Outputs count the same, in dB. Weights are rounded to nearest:
    corrections are made for all layers together, and without one of them the others' miss their mark.
    """
    batches = observed.batches[:: max(1, len(observed.batches) // BATCHES)][:BATCHES]
    wanted = _outputs(observed.model, batches)

    def decibels(names):
        return _decibels(wanted, _outputs(write_qdq(observed.model, scales, {}, names), batches))

    everything = [node.name for node in observed.model.graph.node if node.output[0] in scales]
    chosen = {weight: names for weight, names in layers(observed.model).items() if not weights or weight in weights}
    whole, rows = decibels(everything), []
    for weight, names in progress(list(chosen.items()), f"sensitivity of {name}"):
        rows.append({
            "layer": weight.removeprefix("network.").removesuffix(".weight"),
            "alone_db": round(decibels(names), 2),
            "without_db": round(decibels([one for one in everything if one not in names]) - whole, 2),
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
