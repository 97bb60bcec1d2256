"""edgemask evaluate: box and mask AP, or body parts, of bundles and engines on a COCO set, side by side."""

import json
import math
import sys
from pathlib import Path

from edgemask import failures
from edgemask.arguments import ENGINE_HELP, ENGINE_NAMES, count, parser, points
from edgemask.bundle import Bundle, float_sibling
from edgemask.errors import BundleError, OptionError
from edgemask.evaluate import KINDS, METRICS, difference, evaluate
from edgemask.evaluate_dense import evaluate_dense
from edgemask.model import Model
from edgemask.progress import progress


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    measure, found = evaluate_dense if options.dense else evaluate, {}
    for name, model in _models(options).items():
        found[name] = measure(
            model, options.coco, options.images, options.limit, lambda ids, name=name: progress(ids, name)
        )
    if options.worst:
        failures.write_sheet(options.worst, model, found[name], options.coco, options.images)
    gaps = _gaps(found)
    if options.json:
        results = {name: one.summary for name, one in found.items()}
        print(json.dumps({"results": results, "differences": gaps}, indent=2))
    else:
        print("\n".join([*(_dense_table if options.dense else _table)(found), *_gap_lines(gaps)]))
    beyond = [gap for gap in gaps if gap["low"] > options.bound or gap["high"] < -options.bound]
    for gap in beyond:
        print(f"{_title(gap['kind'])} of {gap['one']} is more than {options.bound} from {gap['other']}'s", file=sys.stderr)
    return 1 if beyond else 0


def _models(options):
    models = {}
    paths = [float_sibling(path) for path in options.bundles] if options.float else []
    for path in paths:
        if not path.exists():
            raise BundleError(
                f"{path} does not exist: make the float reference from the checkpoint with "
                f"edgemask convert CHECKPOINT --float -o {path}"
            )
    for bundle in map(Bundle, [*paths, *options.bundles]):
        precision = bundle.manifest["precision"]
        engines = bundle.engines() if options.engine == "all" or precision == "float" else [options.engine]
        for engine in engines:
            model = Model(bundle, engine, options.threads, options.dense)
            label = f"{bundle.path.stem} {precision} {model.engine}"
            models[label if label not in models else f"{bundle.path} {precision} {model.engine}"] = model
    return models


def _gaps(found):
    """Every result against the first: the float one where --float asks for it."""
    (first, reference), *others = found.items()
    gaps = []
    for name, one in others:
        for kind in reference.resampled:
            gap, low, high = (round(value, 2) for value in difference(one, reference, kind))
            gaps.append({"one": name, "other": first, "kind": kind, "difference": gap, "low": low, "high": high})
    return gaps


def _table(found):
    summary = next(iter(found.values())).summary
    width, height = summary["input"]
    yield f"{summary['set']}, {summary['pictures']} pictures, input {width}x{height} letterbox, {summary['evaluator']}"
    wide = max(map(len, found)) + 2
    yield f"{'':{wide}}{'':6}" + "".join(f"{metric:>7}" for metric in METRICS)
    for kind in KINDS:
        for name, one in found.items():
            yield f"{name:{wide}}{kind:6}" + "".join(f"{one.summary[kind][metric]:7.1f}" for metric in METRICS)


def _dense_table(found):
    one = next(iter(found.values())).summary
    width, height = one["input"]
    size = f"{one['pictures']} pictures, input {width}x{height} letterbox"
    yield f"{one['set']}, {size}; points of 100, 95 % interval over pictures"
    for name, each in found.items():
        summary = each.summary
        yield f"{name}: {summary['found']} of {summary['people']} people found"
        for kind, figure in summary["figures"].items():
            yield f"  {kind:38}{figure['value']:7.2f} ({figure['low']:.2f} to {figure['high']:.2f})"
        for point, row in summary["keypoints"].items():
            shares = [f"{100 * row[key] / max(row['seen'], 1):5.1f} %" for key in ("right", "any_side")]
            yield (f"  {point:15}{shares[0]} in part ({row['low']:.1f} to {row['high']:.1f}), {shares[1]} of any side; "
                   f"{row['seen']} of {row['visible']} on people found")  # fmt: skip
        for part, iou in summary["parts"].items():
            yield f"  {part:25}IoU {iou:5.1f}"


def _title(kind):
    return f"{kind} AP" if kind in KINDS else kind


def _gap_lines(gaps):
    for gap in gaps:
        interval = f"95 % interval {gap['low']:+.2f} to {gap['high']:+.2f}, paired bootstrap over pictures"
        yield f"{gap['one']} less {gap['other']}: {_title(gap['kind'])} {gap['difference']:+.2f} ({interval})"


def _options(arguments):
    it = parser(
        "evaluate", "Measure box and mask AP with pycocotools, or body parts, several bundles or engines side by side.",
        "edgemask evaluate person-320.edgemask --coco val.json --images val/ --float --engine all",
    )  # fmt: skip
    it.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    it.add_argument("--coco", required=True, metavar="COCO.json", help="annotations to measure against")
    it.add_argument("--images", metavar="DIR", help="their pictures (default: the folder named as the json)")
    it.add_argument("--dense", action="store_true",
                    help="measure body parts, against whatever the json has: IUV pictures (images[].iuv), keypoints")  # fmt: skip
    it.add_argument("--float", action="store_true", help="measure each bundle's float reference beside it too")
    it.add_argument("--engine", choices=(*ENGINE_NAMES, "all"), default="auto", help=f"{ENGINE_HELP}; all: each one")
    it.add_argument("--bound", type=points, default=math.inf, metavar="POINTS",
                    help="exit 1 when a result is surely further than this from the first: its interval excludes it")  # fmt: skip
    it.add_argument("--worst", type=Path, metavar="SHEET.jpg",
                    help="draw the last result's worst pictures: its masks, in white the outlines of what it missed")  # fmt: skip
    it.add_argument("--limit", type=count, metavar="N", help="only the first N pictures")
    it.add_argument("--threads", type=count, metavar="N", help="threads per network (default: all cores but one)")
    it.add_argument("--json", action="store_true", help="print the results as JSON")
    options = it.parse_args(arguments)
    if options.worst and options.dense:
        raise OptionError("--worst draws masks: leave out --dense")
    return options
