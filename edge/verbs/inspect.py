"""edgemask inspect: what is in a bundle."""

import json

from edgemask.arguments import parser
from edgemask.bundle import SHIPPED, Bundle


def main(arguments) -> int:
    """The verb."""
    it = parser("inspect", "Show what is in a bundle, every hash verified.", "edgemask inspect person-320.edgemask")
    it.add_argument("bundle", nargs="?", default=SHIPPED, metavar="BUNDLE", help="default: the shipped person model")
    it.add_argument("--json", action="store_true", help="print the whole manifest")
    options = it.parse_args(arguments)
    bundle = Bundle(options.bundle)
    bundle.verify()
    print(json.dumps(bundle.manifest, indent=2) if options.json else "\n".join(_lines(bundle)))
    return 0


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
    if accuracy := manifest.get("accuracy"):
        aps = ", ".join(f"{kind} AP {accuracy[kind]['AP']} (AP50 {accuracy[kind]['AP50']})" for kind in ("box", "mask"))
        yield f"accuracy  {aps} on {accuracy['pictures']} pictures of {accuracy['set']}, {accuracy['evaluator']}"
    if difference := manifest.get("difference"):
        values = ", ".join(f"{name} {value}" for name, value in difference["sqnr_db"].items())
        yield f"SQNR (dB) against float on {difference['pictures']} pictures: {values}"
    for stage, engines in manifest["stages"].items():
        for engine, entry in engines.items():
            ops = [f"{count} {op}" for found in entry["kernels"].values() for op, count in found.items()]
            integer, total = (sum(sum(found.values()) for kind, found in entry["kernels"].items() if kind in kinds)
                              for kinds in (("int8",), ("int8", "float")))  # fmt: skip
            yield f"\n{stage} / {engine}: {entry['file']}, {integer} of {total} nodes int8 ({', '.join(ops)})"
            yield from (_tensor(tensor) for tensor in entry["tensors"])


def _tensor(tensor):
    scale = f"scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}" if "scale" in tensor else ""
    return f"  {tensor['name']:14}{tensor['dtype']:9}{str(tensor['shape']):20}{scale}"
