"""edgemask inspect: what is in a bundle."""

import json

from edgemask.agreement import table
from edgemask.arguments import parser
from edgemask.bundle import SHIPPED, Bundle
from edgemask.engines import open_engine
from edgemask.errors import MissingLibrary


def main(arguments) -> int:
    """The verb."""
    it = parser("inspect", "Show what is in a bundle, every hash verified.", "edgemask inspect person-320.edgemask")
    it.add_argument("bundle", nargs="?", default=SHIPPED, metavar="BUNDLE", help="default: the shipped person model")
    it.add_argument("--json", action="store_true", help="print the whole manifest, and what XNNPACK takes")
    options = it.parse_args(arguments)
    bundle = Bundle(options.bundle)
    bundle.verify()
    print(json.dumps(_everything(bundle), indent=2) if options.json else "\n".join(_lines(bundle)))
    return 0


def _everything(bundle):
    stages = [stage for stage, engines in bundle.manifest["stages"].items() if "tflite" in engines]
    counted = {stage: found for stage in stages if (found := _delegated(bundle, stage))}
    keys = ("taken", "operators", "partitions", "runs")
    return {**bundle.manifest, "xnnpack": {stage: dict(zip(keys, found, strict=True)) for stage, found in counted.items()}}


def _lines(bundle):
    manifest = bundle.manifest
    source, size = manifest["source"], manifest["input"]
    yield f"{manifest['name']}: {manifest['precision']}, input {size['width']}x{size['height']}"
    yield f"classes   {', '.join(bundle.classes)}"
    yield f"licence   {manifest['licence']}"
    tools = ", ".join(f"{name} {version}" for name, version in source["tools"].items())
    yield f"made from {source['checkpoint']} (SHA-256 {source['sha256'][:12]}…) with {tools}"
    if calibration := manifest.get("calibration"):
        yield f"ranges    {calibration['ranges']} over {calibration['pictures']} pictures of {calibration['set']}"
    for found in manifest.get("accuracy", []):
        aps = ", ".join(f"{kind} AP {found[kind]['AP']} (AP50 {found[kind]['AP50']})" for kind in ("box", "mask"))
        yield f"accuracy  {found['engine']:6} {aps} on {found['pictures']} pictures of {found['set']}, {found['evaluator']}"
    if compared := manifest.get("agreement"):
        yield f"\nagainst float on {compared['pictures']} pictures that took no part in the ranges"
        yield from table(compared["outputs"])
    for stage, engines in manifest["stages"].items():
        for engine, entry in engines.items():
            ops = [f"{count} {op}" for found in entry["kernels"].values() for op, count in found.items()]
            integer, total = (sum(sum(found.values()) for kind, found in entry["kernels"].items() if kind in kinds)
                              for kinds in (("int8",), ("int8", "float")))  # fmt: skip
            yield f"\n{stage} / {engine}: {entry['file']}, {integer} of {total} nodes int8 ({', '.join(ops)})"
            yield from _delegation(bundle, stage) if engine == "tflite" else ()
            yield from (_tensor(tensor) for tensor in entry["tensors"])


def _delegation(bundle, stage):
    if found := _delegated(bundle, stage):
        taken, total, partitions, runs = found
        yield f"  XNNPACK takes {taken} of {total} operators in {partitions} partition{'s' * (partitions != 1)} ({runs})"
    else:
        yield "  ai-edge-litert is not installed here, so what XNNPACK takes is not counted"


def _delegated(bundle, stage):
    """What the LiteRT installed here hands to XNNPACK, and its name; None where there is none."""
    try:
        engine = open_engine(bundle, stage, "tflite", 1)
    except MissingLibrary:
        return None
    return *engine.delegated(), str(engine)


def _tensor(tensor):
    scale = f"scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}" if "scale" in tensor else ""
    return f"  {tensor['name']:14}{tensor['dtype']:9}{str(tensor['shape']):20}{scale}"
