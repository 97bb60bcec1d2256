"""LiteRT against ONNX Runtime on the same bundle: interleaved latency ratios, stage by stage and end to end.

    python -m edgemask.benchmarks.engines [BUNDLE] [--threads 1,2] [--rounds 100] [--json]

In each round both engines run the same input one after the other, in turn first and second; a ratio is the
median over rounds of ONNX Runtime's time through LiteRT's, so above 1 LiteRT is the faster. Only ratios are
printed: milliseconds belong to `edgemask bench` on a quiet device.
"""

import argparse
import json
import sys

from edgemask import device, pictures
from edgemask.arguments import count
from edgemask.bundle import SHIPPED, Bundle
from edgemask.command import exit_code
from edgemask.errors import OptionError
from edgemask.letterbox import letterbox
from edgemask.model import Model
from edgemask.progress import progress
from edgemask.timing import time_ratio

ASTRONAUT = SHIPPED.parent / "astronaut.jpg"
FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimd", "asimddp", "i8mm")


def ratios(bundle: Bundle, rgb, threads: int, rounds: int) -> dict[str, tuple[float, float, float]]:
    """(median, lower quartile, upper quartile) of ONNX Runtime's time through LiteRT's, per stage and "end to end"."""
    models = {engine: Model(bundle, engine, threads, bundle.dense) for engine in ("onnx", "tflite")}
    jobs = {engine: _jobs(model, rgb) for engine, model in models.items()}
    parts = progress(list(jobs["onnx"]), f"{threads} thread{'s' * (threads > 1)}")
    return {part: time_ratio(jobs["onnx"][part], jobs["tflite"][part], rounds) for part in parts}


def _jobs(model, rgb):
    image, ratio = letterbox(rgb, model.width, model.height, model.pad)
    trunk = model.engines["trunk"](image[None])
    proposals = model.proposals(trunk)
    boxes, _, _ = model.detect(trunk, proposals, (rgb.shape[1] * ratio, rgb.shape[0] * ratio))
    inputs = {
        "trunk": image[None],
        f"box, {len(proposals)} proposals": model.pool(trunk, proposals, "box"),
        **{f"{stage}, {len(boxes)} detections": model.pool(trunk, boxes, stage) for stage in list(model.engines)[2:]},
    }
    jobs = {
        part: lambda part=part, values=values: model.engines[part.split(",")[0]](values) for part, values in inputs.items()
    }
    return {**jobs, "end to end": lambda: model(rgb)}


def _counts(text):
    return [count(one) for one in text.split(",")]


def main():
    """Print the table."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.engines", description=__doc__.splitlines()[0])
    it.add_argument("bundle", nargs="?", default=SHIPPED, help="default: the shipped person model")
    it.add_argument("--threads", type=_counts, default="1,2", help="comma-separated (default 1,2)")
    it.add_argument("--rounds", type=count, default=100)
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    if options.rounds < 2:
        raise OptionError("--rounds must be at least 2: quartiles need two rounds")
    bundle, rgb = Bundle(options.bundle), pictures.read(ASTRONAUT)
    found = {n: ratios(bundle, rgb, n, options.rounds) for n in options.threads}
    engines = {name: Model(bundle, name, 1, bundle.dense).engines for name in ("onnx", "tflite")}
    flags = [flag for flag in FLAGS if flag in device.cpu_flags()]
    delegated = {stage: engine.delegated() for stage, engine in engines["tflite"].items()}
    names = {name: str(stages["trunk"]) for name, stages in engines.items()}
    if options.json:
        print(json.dumps({"engines": names, "cpu_flags": flags, "delegated": delegated, "onnx_through_tflite": found}))
        return
    print(f"{names['onnx']} through {names['tflite']}; CPU flags {' '.join(flags)}")
    for stage, (taken, total, partitions) in delegated.items():
        print(f"{stage:6} XNNPACK takes {taken} of {total} operators in {partitions} partition{'s' * (partitions != 1)}")
    print(f"{'':22}" + "".join(f"{f'{n} thread' + 's' * (n > 1):>24}" for n in found))
    for part in next(iter(found.values())):
        print(f"{part:22}" + "".join("{:>10.2f} ({:.2f} to {:.2f})".format(*one[part]) for one in found.values()))


if __name__ == "__main__":
    sys.exit(exit_code(main))
