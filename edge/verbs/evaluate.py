"""edgemask evaluate: box and mask AP of bundles on a COCO set, side by side."""

import json
from pathlib import Path

from edgemask.arguments import count, parser
from edgemask.bundle import Bundle, float_sibling
from edgemask.errors import BundleError
from edgemask.evaluate import METRICS, evaluate
from edgemask.model import Model
from edgemask.progress import progress


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    models = {}
    for path in _paths(options):
        bundle = Bundle(path)
        models[f"{bundle.manifest['name']} {bundle.manifest['precision']}"] = Model(bundle, threads=options.threads)
    results = {}
    for name, model in models.items():
        results[name] = evaluate(
            model, options.coco, options.images, options.limit, lambda ids, name=name: progress(ids, name)
        )
    print(json.dumps(results, indent=2) if options.json else "\n".join(_table(results)))
    return 0


def _paths(options):
    paths = list(options.bundles)
    for path in options.bundles if options.float else []:
        sibling = float_sibling(path)
        if not sibling.exists():
            raise BundleError(
                f"{sibling} does not exist: make the float reference from the checkpoint with "
                f"edgemask convert CHECKPOINT --float -o {sibling}"
            )
        paths.append(sibling)
    return paths


def _table(results):
    any_result = next(iter(results.values()))
    width, height = any_result["input"]
    yield (f"{any_result['set']}, {any_result['pictures']} pictures, input {width}x{height} letterbox, "
           f"{any_result['evaluator']}")  # fmt: skip
    yield f"{'':28}{'':6}" + "".join(f"{metric:>7}" for metric in METRICS)
    for kind in ("box", "mask"):
        for name, result in results.items():
            yield f"{name:28}{kind:6}" + "".join(f"{result[kind][metric]:7.1f}" for metric in METRICS)


def _options(arguments):
    it = parser(
        "evaluate", "Measure box and mask AP with pycocotools, several bundles side by side.",
        "edgemask evaluate person-320.edgemask --coco val.json --images val/ --float",
    )  # fmt: skip
    it.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    it.add_argument("--coco", required=True, metavar="COCO.json", help="annotations to measure against")
    it.add_argument("--images", metavar="DIR", help="their pictures (default: the folder named as the json)")
    it.add_argument("--float", action="store_true", help="measure each bundle's float reference beside it too")
    it.add_argument("--limit", type=count, metavar="N", help="only the first N pictures")
    it.add_argument("--threads", type=count, metavar="N", help="threads per network (default: all cores but one)")
    it.add_argument("--json", action="store_true", help="print the results as JSON")
    return it.parse_args(arguments)
