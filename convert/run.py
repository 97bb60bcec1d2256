"""What `edgemask convert` does, and what it says of it."""

import json

from edgemask.agreement import table
from edgemask.convert.budget import loss, meet
from edgemask.convert.conversion import Conversion
from edgemask.convert.evidence import gather
from edgemask.convert.report import write_report
from edgemask.errors import ConversionError
from edgemask.evaluate import KINDS, METRICS


def convert(options) -> int:
    """Convert as the command line's options say; the exit code. Raises EdgemaskError."""
    say = (lambda *_: None) if options.json else print
    with Conversion(options.checkpoint, *options.input) as conversion:
        checks = conversion.check(options.calibration)
        for stage, worst in checks.items():
            say(f"float {stage}: ONNX Runtime against torch, worst difference {worst:.1e} of the largest value")
        if options.calibration:
            conversion.to_int8(options.calibration)
        choices = _measure(conversion, options, say) if options.val else []
        if options.calibration:
            _describe(conversion, say)
        if options.report:
            write_report(options.report, *gather(conversion, options.val, choices))
            say(f"wrote {options.report} and {options.report.with_suffix('.json')}")
        paths = conversion.write(options.output)
        for path in paths:
            say(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
        if options.json:
            print(json.dumps(_result(conversion, checks, choices, paths)))
    return 0


def _result(conversion, checks, choices, paths):
    int8 = conversion.stages.get("int8", ())
    return {
        "written": [str(path) for path in paths], "float_against_torch": checks, "choices": list(choices),
        "accuracy": {name: one.summary for name, one in conversion.measured.items()},
        "drops": conversion.drops() if int8 and conversion.measured else [],
        "int8": conversion.summary("int8") if int8 else None,
        "kernels": [{"stage": stage.name, "engine": stage.engine, **stage.kernels} for stage in int8],
    }  # fmt: skip


def _describe(conversion, say):
    say(f"calibrated on {conversion.chosen.name}: {conversion.chosen.note}")
    say("\n".join(table(conversion.agreed)))
    for stage in conversion.stages["int8"]:
        kinds = ", ".join(f"{sum(ops.values())} {kind} {ops}" for kind, ops in stage.kernels.items() if ops)
        say(f"int8 {stage.name} for {stage.engine}: {kinds}")


def _measure(conversion, options, say):
    """Print accuracy and what int8 lost; the choices tried, or ConversionError when all lose more than was allowed."""
    conversion.measure(options.val)
    choices = []
    if options.max_drop is not None:
        choices = meet(conversion, options.val, options.max_drop)
        for one in choices[1:]:
            cost = ", ".join(f"{ratio:.2f} times the time on {engine}" for engine, ratio in one["time"].items())
            say(f"with {', '.join(one['float'])} in float: worst AP drop {loss(one):.2f}, {cost}")
    for name, found in conversion.measured.items():
        for kind in KINDS:
            say(f"{name:6} {kind:4} " + "  ".join(f"{m} {found.summary[kind][m]:5.1f}" for m in METRICS))
    for one in conversion.drops() if options.calibration else ():
        interval = f"95 % interval {one['low']:+.2f} to {one['high']:+.2f}, paired bootstrap over pictures"
        say(f"{one['engine']:6} {one['kind']:4} AP drop {one['drop']:+.2f} ({interval})")
    if choices and min(map(loss, choices)) > options.max_drop:
        raise ConversionError(
            f"int8 loses {min(map(loss, choices)):.2f} AP even with its last layers in float, more than --max-drop "
            f"{options.max_drop}; this is the best reached, nothing was written: calibrate on pictures more like those "
            "the model will see"
        )
    return choices
