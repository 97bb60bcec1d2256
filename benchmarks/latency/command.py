"""edgemask bench: how fast a bundle is on this machine, and whether that counts."""

import json
import re
import sys
from functools import partial
from pathlib import Path

from edgemask import evaluate
from edgemask.arguments import ENGINE_HELP, ENGINE_NAMES, count, parser
from edgemask.benchmarks.latency import FULL, QUICK, Mode
from edgemask.benchmarks.latency.card import card
from edgemask.benchmarks.latency.facts import emulated, facts
from edgemask.benchmarks.latency.result import write
from edgemask.benchmarks.latency.session import measure
from edgemask.bundle import SHIPPED, Bundle
from edgemask.cameras import open_camera
from edgemask.device import Device, default_threads
from edgemask.engines import choose
from edgemask.errors import OptionError
from edgemask.model import Model
from edgemask.progress import progress


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    device = Device()
    if sys.platform != "linux":
        raise OptionError("bench reads /proc, which only Linux has")
    if options.facts:
        print(json.dumps(facts(device), indent=1))
        return 0
    if how := emulated(device):
        raise OptionError(f"this machine is emulated ({how}), so its times mean nothing: count its work, "
                          "python -m edgemask.benchmarks.emulated card --board pi5")  # fmt: skip
    bundle = Bundle(options.bundle)
    engines = bundle.engines() if options.engine == "all" else [choose(bundle, options.engine)]
    accuracy = _prepare(bundle, engines, options)
    result = measure(device, bundle, engines, options.threads, _mode(options), options.camera, options.dense)
    result["accuracy"] = accuracy
    print(json.dumps(result) if options.json else card(result))
    paths = write(options.output or Path("edgemask-bench", f"{_slug(result['device'])}.json"), result)
    print(f"wrote {', '.join(map(str, paths))}", file=sys.stderr)
    return 0


def _prepare(bundle, engines, options):
    """Everything that can be wrong with the options, before minutes go by; the accuracy by engine."""
    models = {engine: Model(bundle, engine, dense=options.dense) for engine in engines}
    if options.camera:
        open_camera(options.camera, paced=Path(options.camera).is_file()).close()
    if not options.coco:
        return {}
    found = {}
    for engine, model in models.items():
        wrapped = partial(progress, label=f"accuracy, {engine}")
        found[engine] = evaluate.evaluate(model, options.coco, options.images, options.limit, wrapped).summary
    return found


def _mode(options):
    usual = FULL if options.full else QUICK
    if options.processes is None and options.seconds is None:
        return usual
    return Mode("custom", options.processes or usual.processes, options.seconds or usual.seconds)


def _slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _threads(text):
    return [count(one) for one in text.split(",")]


def _options(arguments):
    it = parser(
        "bench", "Measure latency on this machine, and say whether the figures may be compared with others'.",
        "edgemask bench --engine all --threads 1,2,4 --coco val.json",
    )  # fmt: skip
    it.add_argument("--bundle", default=SHIPPED, metavar="FILE", help="default: the shipped person model")
    it.add_argument("--engine", choices=(*ENGINE_NAMES, "all"), default="auto", help=f"{ENGINE_HELP}; all: each one, in turn")
    it.add_argument("--dense", action="store_true", help="find body parts, too")
    it.add_argument("--threads", type=_threads, default=[default_threads()], metavar="N,N …", help="default: all cores but one")
    long = it.add_mutually_exclusive_group()
    long.add_argument("--quick", action="store_true",
                      help="5 processes of 10 s, about a minute for each engine and N (the default)")  # fmt: skip
    long.add_argument("--full", action="store_true", help="5 processes of 120 s for each engine and N: what to publish")
    it.add_argument("--seconds", type=count, metavar="S", help="seconds a process; shorter than 10 is only a look")
    it.add_argument("--processes", type=count, metavar="N", help="fewer than 5 is only a look")
    it.add_argument("--camera", metavar="SOURCE", help="the age of its frames, too, when their results are there")
    it.add_argument("--coco", metavar="COCO.json", help="measure the accuracy of the same file, too")
    it.add_argument("--images", metavar="DIR", help="pictures of --coco (default: the folder named as the json)")
    it.add_argument("--limit", type=count, metavar="N", help="only the first N pictures of --coco")
    it.add_argument("-o", "--output", type=Path, metavar="FILE.json", help="a card (.md) and a page (.html) are put beside it")
    it.add_argument("--facts", action="store_true", help="only print what is known of this machine")
    it.add_argument("--json", action="store_true", help="print the result instead of the card")
    return it.parse_args(arguments)
