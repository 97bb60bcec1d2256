"""edgemask convert: a float checkpoint to an int8 bundle."""

from pathlib import Path

from edgemask import coco
from edgemask.agreement import table
from edgemask.arguments import input_size, parser, points
from edgemask.convert.budget import loss, meet
from edgemask.convert.conversion import Conversion
from edgemask.convert.evidence import gather
from edgemask.convert.report import write_report
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
            conversion.to_int8(options.calibration)
        choices = _measure(conversion, options) if options.val else []
        if options.calibration:
            _describe(conversion)
        if options.report:
            write_report(options.report, *gather(conversion, options.val, choices))
            print(f"wrote {options.report} and {options.report.with_suffix('.json')}")
        for path in conversion.write(options.output):
            print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _describe(conversion):
    print(f"calibrated on {conversion.chosen.name}: {conversion.chosen.note}")
    print("\n".join(table(conversion.agreed)))
    for stage in conversion.stages["int8"]:
        kinds = ", ".join(f"{sum(ops.values())} {kind} {ops}" for kind, ops in stage.kernels.items() if ops)
        print(f"int8 {stage.name} for {stage.engine}: {kinds}")


def _measure(conversion, options):
    """Print accuracy and what int8 lost; the choices tried, or ConversionError when all lose more than was allowed."""
    conversion.measure(options.val)
    choices = []
    if options.max_drop is not None:
        choices = meet(conversion, options.val, options.max_drop)
        for one in choices[1:]:
            cost = ", ".join(f"{ratio:.2f} times the time on {engine}" for engine, ratio in one["time"].items())
            print(f"with {', '.join(one['float'])} in float: worst AP drop {loss(one):.2f}, {cost}")
    for name, found in conversion.measured.items():
        for kind in KINDS:
            print(f"{name:6} {kind:4} " + "  ".join(f"{m} {found.summary[kind][m]:5.1f}" for m in METRICS))
    for one in conversion.drops() if options.calibration else ():
        interval = f"95 % interval {one['low']:+.2f} to {one['high']:+.2f}, paired bootstrap over pictures"
        print(f"{one['engine']:6} {one['kind']:4} AP drop {one['drop']:+.2f} ({interval})")
    if choices and min(map(loss, choices)) > options.max_drop:
        raise ConversionError(
            f"int8 loses {min(map(loss, choices)):.2f} AP even with its last layers in float, more than --max-drop "
            f"{options.max_drop}; this is the best reached, nothing was written: calibrate on pictures more like those "
            "the model will see"
        )
    return choices


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
                    help="most that box or mask AP on --val may fall: last layers stay in float until it holds; else fail")  # fmt: skip
    it.add_argument("--report", type=Path, metavar="FILE.html", help="say what each technique and each layer cost; takes minutes")
    it.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the bundle to write")
    options = it.parse_args(arguments)
    if options.max_drop is not None and not (options.val and options.calibration):
        it.error("--max-drop needs --calibration, and --val to measure the drop on")
    if options.report and not options.calibration:
        it.error("--report needs --calibration: it is about int8")
    return options
