"""How far int8 is from float, and the engines from each other, stage by stage on the same inputs."""

from collections import defaultdict

import numpy as np

from edgemask.bundle import TensorInfo
from edgemask.letterbox import letterbox
from edgemask.model import Model

ROIS = 10


def agreement(exact: Model, quantised: dict[str, Model], pictures) -> dict[str, dict]:
    """Per output of every stage, over RGB pictures: {"onnx": {"sqnr_db": …, "cosine": …}, …, "steps": …, "equal": …}.

    exact: the float model; quantised: int8 models by engine. Each engine's heads see the float model's first
    proposals. `steps` is the largest difference between any two engines in quantised steps (for an output in float, in its
    own unit), `equal` the share of values that are the same; both are None for one engine alone.
    """
    sums = defaultdict(lambda: defaultdict(float))
    for rgb in pictures:
        image, _ = letterbox(rgb, exact.width, exact.height, exact.pad)
        trunk = exact.engines["trunk"](image[None])
        _compare(sums, exact, trunk, {name: (one, one.engines["trunk"](image[None])) for name, one in quantised.items()})
        proposals = exact.proposals(trunk)[:ROIS]
        for stage in list(exact.engines)[1:] if len(proposals) else ():
            rois = exact.pool(trunk, proposals, stage)
            results = {name: (one, one.engines[stage](_raw(one, stage, rois))) for name, one in quantised.items()}
            _compare(sums, exact, exact.engines[stage](rois), results)
    return {output: _summary(found, list(quantised)) for output, found in sums.items()}


def table(found: dict[str, dict]) -> list[str]:
    """The result as lines of text."""
    engines = [name for name in next(iter(found.values())) if name not in ("steps", "equal")]
    heads = "".join(f"  {name + ' SQNR dB':>15}{'cosine':>9}" for name in engines)
    lines = [f"{'output':14}{heads}" + f"{'equal':>10}{'steps':>7}" * (len(engines) > 1)]
    for output, row in found.items():
        cells = "".join(f"  {row[name]['sqnr_db']:15.2f}{row[name]['cosine']:9.5f}" for name in engines)
        lines.append(f"{output:14}{cells}" + (f"{row['equal']:10.4%}{row['steps']:7.2g}" if len(engines) > 1 else ""))
    return lines


def _raw(model: Model, stage: str, rois: np.ndarray) -> np.ndarray:
    """Real RoIs as the stage's input type."""
    info: TensorInfo = model.bundle.tensors(stage, model.engine)[0]
    limits = np.iinfo(info.dtype)
    raw = np.rint(rois / np.float32(info.scale)) + info.zero_point
    return np.clip(raw, limits.min, limits.max).astype(info.dtype)


def _compare(sums, exact, wanted, results):
    for output, want in wanted.items():
        real, into = want.astype(np.float64), sums[output]
        into["signal"] += float((real**2).sum())
        steps = {}
        for engine, (model, got) in results.items():
            value = model.dequantise(got, output).astype(np.float64)
            into[engine, "noise"] += float(((value - real) ** 2).sum())
            into[engine, "dot"] += float((value * real).sum())
            into[engine, "power"] += float((value**2).sum())
            steps[engine] = got[output].astype(float) - model.tensors[output].zero_point
        first, *others = steps.values()
        for other in others:
            difference = np.abs(first - other)
            into["steps"] = max(into["steps"], float(difference.max(initial=0)))
            into["equal"] += int((difference == 0).sum())
            into["count"] += difference.size


def _summary(found, engines):
    row = {}
    for engine in engines:
        noise, norm = found[engine, "noise"], found["signal"] * found[engine, "power"]
        row[engine] = {
            "sqnr_db": round(float(10 * np.log10(found["signal"] / max(noise, 1e-12))), 2),
            "cosine": round(float(found[engine, "dot"] / max(norm, 1e-24) ** 0.5), 6),
        }
    several = len(engines) > 1
    return {**row, "steps": found["steps"] if several else None,
            "equal": found["equal"] / found["count"] if several else None}  # fmt: skip
