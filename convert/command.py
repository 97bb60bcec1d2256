"""edgemask convert: a float checkpoint to an int8 bundle."""

from pathlib import Path

from edgemask import coco
from edgemask.agreement import table
from edgemask.arguments import input_size, parser, points
from edgemask.convert.conversion import Conversion
from edgemask.errors import ConversionError, OutputError
from edgemask.evaluate import KINDS, METRICS


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    if options.output.is_dir() or not options.output.parent.is_dir():
        raise OutputError(f"{options.output} cannot be written: give a file name in a folder that exists")
    if options.val:
        coco.read_truth(options.val)  # now, not after the calibration
    with Conversion(options.checkpoint, *options.input) as conversion:
        for stage, worst in conversion.check(options.calibration).items():
            print(f"float {stage}: ONNX Runtime against torch, worst difference {worst:.1e} of the largest value")
        if options.calibration:
            print("\n".join(table(conversion.to_int8(options.calibration))))
            for stage in conversion.stages["int8"]:
                kinds = ", ".join(f"{sum(ops.values())} {kind} {ops}" for kind, ops in stage.kernels.items() if ops)
                print(f"int8 {stage.name} for {stage.engine}: {kinds}")
        if options.val:
            for name, result in conversion.measure(options.val).items():
                for kind in KINDS:
                    print(f"{name:6} {kind:4} " + "  ".join(f"{m} {result[kind][m]:5.1f}" for m in METRICS))
            if options.calibration:
                _check_drops(conversion.drops(), options.max_drop)
        if options.report:
            conversion.report(options.report, options.val)
            print(f"wrote {options.report} and {options.report.with_suffix('.json')}")
        for path in conversion.write(options.output):
            print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _check_drops(drops, most):
    """Print what int8 lost; raise ConversionError when it is more than was allowed."""
    for one in drops:
        interval = f"95 % interval {one['low']:+.2f} to {one['high']:+.2f}, paired bootstrap over pictures"
        print(f"{one['engine']:6} {one['kind']:4} AP drop {one['drop']:+.2f} ({interval})")
    worst = max(drops, key=lambda one: one["drop"])
    if most is not None and worst["drop"] > most:
        raise ConversionError(
            f"int8 loses {worst['drop']:.2f} {worst['kind']} AP on {worst['engine']}, more than --max-drop {most}; this is "
            "the best reached, nothing was written: calibrate on pictures more like those the model will see"
        )


def _options(arguments):
    it = parser(
        "convert", "Convert a float checkpoint to an int8 bundle, with its float reference beside it.",
        "edgemask convert convert/models/person_v1.safetensors --calibration pictures/ -o person-320.edgemask",
    )  # fmt: skip
    it.add_argument("checkpoint", metavar="CHECKPOINT", help="safetensors file of this model family")
    kind = it.add_mutually_exclusive_group(required=True)
    kind.add_argument("--calibration", metavar="DIR|COCO.json", help="pictures the int8 ranges are taken from")
    kind.add_argument("--float", action="store_true", help="write the float bundle only, without calibration")
    it.add_argument("--input", type=input_size, default=(320, 320), metavar="WxH",
                    help="the network's input, multiples of 64 (default 320x320; 320x256 for 4:3, 320x192 for 16:9)")  # fmt: skip
    it.add_argument("--val", metavar="COCO.json", help="measure accuracy on this set and record it in the bundle")
    it.add_argument("--max-drop", type=points, metavar="POINTS",
                    help="fail, writing nothing, when box or mask AP on --val falls by more than this")  # fmt: skip
    it.add_argument("--report", type=Path, metavar="FILE.html", help="say what each technique and each layer cost; takes minutes")
    it.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the bundle to write")
    options = it.parse_args(arguments)
    if options.max_drop is not None and not (options.val and options.calibration):
        it.error("--max-drop needs --calibration, and --val to measure the drop on")
    if options.report and not options.calibration:
        it.error("--report needs --calibration: it is about int8")
    return options
