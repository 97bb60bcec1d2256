"""Mixed precision under a budget: last layers left in float where int8 costs too much accuracy."""

from dataclasses import replace

from edgemask import pictures
from edgemask.convert.conversion import ASTRONAUT, Conversion
from edgemask.engines import ENGINES
from edgemask.manifest import DENSE
from edgemask.timing import time_ratio

ROUNDS = 40


def meet(conversion: Conversion, annotations, most: float) -> list[dict]:
    """Leave last layers in float, those that int8 hurts most first, until neither AP falls by more than `most` points on
    either engine, or none is left; the conversion, already measured on `annotations`, ends with the choice that lost least.

    Returns a row for each choice: {"float": outputs, "drops": Conversion.drops, "time": {engine: time of a
    frame through that of the first choice, all int8}}.
    """
    plans, before = [conversion.plan], dict(conversion.models)
    rows = [{"float": [], "drops": conversion.drops(), "time": dict.fromkeys(ENGINES, 1.0)}]
    left = [] if loss(rows[0]) <= most else conversion.quantiser.last_layers(plans[0])
    left = [(stage, outputs) for stage, outputs in left if stage != DENSE]  # no AP hangs on it
    for stage, outputs in left:
        technique = plans[-1][stage]
        plans.append({**plans[-1], stage: replace(technique, floats=technique.floats + outputs)})
        _take(conversion, plans[-1], annotations)
        time = {engine: _time(conversion.models[engine], before[engine]) for engine in ENGINES}
        rows.append({"float": [*rows[-1]["float"], *outputs], "drops": conversion.drops(), "time": time})
        if loss(rows[-1]) <= most:
            break
    best = min(range(len(rows)), key=lambda index: loss(rows[index]))
    if plans[best] != conversion.plan:
        _take(conversion, plans[best], annotations)
    return rows


def loss(row: dict) -> float:
    """The largest fall of an AP, in points."""
    return max(one["drop"] for one in row["drops"])


def _take(conversion, plan, annotations):
    conversion.quantise(plan)
    conversion.measure(annotations, ENGINES)


def _time(model, reference):
    rgb = pictures.read(ASTRONAUT)
    return time_ratio(lambda: model(rgb), lambda: reference(rgb), ROUNDS)[0]
