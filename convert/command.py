"""edgemask convert: a float checkpoint to an int8 bundle."""

from pathlib import Path

from edgemask import coco
from edgemask.arguments import input_size, parser, points
from edgemask.bundle import float_sibling
from edgemask.errors import OptionError, OutputError


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    _check(options)
    from edgemask.convert.run import convert

    return convert(options)


def _check(options):
    """What would otherwise be found out after the calibration."""
    written = [options.output, float_sibling(options.output)]
    if options.report:
        written += [options.report, options.report.with_suffix(".json")]
        if options.report.suffix != ".html":
            raise OptionError(f"--report {options.report} is a page, and its JSON goes beside it: call it FILE.html")
    read = [Path(path) for path in (options.checkpoint, options.calibration, options.val) if path]
    for path in written:
        if path.is_dir() or not path.parent.is_dir():
            raise OutputError(f"{path} cannot be written: give a file name in a folder that exists")
        if path.exists() and any(one.exists() and one.samefile(path) for one in read):
            raise OptionError(f"{path} would be written over what is read: give the bundle a name of its own")
    if options.val:
        coco.read_truth(options.val)


def _options(arguments):
    it = parser(
        "convert", "Convert a float checkpoint to an int8 bundle, with its float reference beside it.",
        "edgemask convert convert/models/person_v8.safetensors --calibration pictures/ -o person-320.edgemask",
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
    it.add_argument("--json", action="store_true", help="print what was found as JSON, at the end")
    it.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="the bundle to write")
    options = it.parse_args(arguments)
    if options.max_drop is not None and not (options.val and options.calibration):
        it.error("--max-drop needs --calibration, and --val to measure the drop on")
    if options.report and not options.calibration:
        it.error("--report needs --calibration: it is about int8")
    return options
