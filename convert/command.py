"""edgemask convert: a float checkpoint to an int8 bundle."""

from pathlib import Path

from edgemask import coco
from edgemask.agreement import table
from edgemask.arguments import input_size, parser
from edgemask.convert.conversion import Conversion
from edgemask.errors import OutputError
from edgemask.evaluate import METRICS


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
                for kind in ("box", "mask"):
                    print(f"{name:6} {kind:4} " + "  ".join(f"{m} {result[kind][m]:5.1f}" for m in METRICS))
        for path in conversion.write(options.output):
            print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


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
    it.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the bundle to write")
    return it.parse_args(arguments)
