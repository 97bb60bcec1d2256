"""edgemask run: segment whatever a source gives."""

import contextlib
import sys
from pathlib import Path

import edgemask
from edgemask.arguments import ENGINE_HELP, ENGINE_NAMES, count, file_size, parser, rate, score
from edgemask.bundle import SHIPPED
from edgemask.cameras import SOURCES
from edgemask.cameras.options import camera_options, source_from
from edgemask.configuration import config_option, naming, parse
from edgemask.errors import OptionError, SourceError
from edgemask.loop import Loop
from edgemask.sinks.mqtt_options import check_mqtt, mqtt_options
from edgemask.sinks.server import PREFIXES
from edgemask.stopping import stopping
from edgemask.web.options import web_from, web_options

SENTENCES = {"gated": "showed nothing new", "dropped": "came while the model was busy"}


def main(arguments) -> int:
    """The verb."""
    options = read_options(arguments)
    model, source, sinks = prepare(options)
    size = model.width, model.height
    gate = tracker = None
    if options.gate:
        from edgemask.gate import Gate

        gate = Gate()
    if options.track or options.mqtt:
        from edgemask.tracking import Tracker

        tracker = Tracker(options.score)
    return segment(
        source.open(size), model, sinks, threshold=options.score, gate=gate, tracker=tracker, fps=options.fps,
        limit=options.frames, reopen=None if source.path else lambda: source.open(size),
    )  # fmt: skip


def prepare(options) -> tuple:
    """The model, the `Source` and the sinks, not opened yet, that parsed options ask for.

    Everything that can be known before a camera or the network is touched is checked here, for `config check` and
    `service install` too. Raises EdgemaskError.
    """
    with naming(options.config):
        source = source_from(options)
        if options.fps and not source.live:
            raise OptionError(f"--fps is for cameras: every frame of {options.source} is taken")
        if options.mqtt and not source.live:
            raise OptionError(f"--mqtt is for cameras: --paced plays a video as if it were one, and {options.source} is not played so")
        if options.track and source.stills:
            raise OptionError(f"--track is for videos and cameras: the pictures of {options.source} are not one after the other")
        model = edgemask.load(options.bundle, options.engine, options.threads, options.dense)
        if options.score < (lowest := model.limits["score"]):
            raise OptionError(f"--score {options.score:g} is below {lowest:g}, the lowest that {model.bundle.path.name} finds")
        # The heads need not run on what nobody will see; a tracker looks at half the score, too.
        tracked = options.track or options.mqtt
        model.score = max(lowest, options.score / 2 if tracked else options.score)
        return model, source, sinks_for(options, source.live, model.bundle.classes)


def segment(camera, model, sinks, **options) -> int:
    """Run the model over a camera's frames, say what came of it; the exit code is 2 when frames were skipped."""
    print(f"{model.bundle.manifest['name']} on {model.engines['trunk']}", file=sys.stderr)
    loop = Loop(camera, model, sinks, **options)
    with stopping(loop.stop) if camera.live else contextlib.nullcontext():
        loop.run()
    if not loop.frames and not camera.live:
        raise SourceError("none of the pictures could be read")
    _summarise(loop)
    if camera.skipped:
        print(f"{camera.skipped} of {len(camera)} could not be read", file=sys.stderr)
    return 2 if camera.skipped else 0


def _summarise(loop):
    print(f"{loop.found} instance{'s' * (loop.found != 1)} in {loop.frames} frame{'s' * (loop.frames != 1)}", file=sys.stderr)
    for counted, sentence in SENTENCES.items():
        if number := getattr(loop, counted):
            print(f"{number} frame{'s' * (number != 1)} {sentence}", file=sys.stderr)
    for outlet in loop.outlets:
        if outlet.lost:
            print(f"{outlet.sink} missed {outlet.lost} of them", file=sys.stderr)
        if paths := outlet.sink.paths:
            more = f" and {len(paths) - 1} more beside it" if len(paths) > 1 else ""
            print(f"wrote {paths[0]}{more}", file=sys.stderr)


def sinks_for(options, live: bool, classes) -> list:
    """The sinks the options ask for, given the bundle's classes; records on standard output when they ask for none."""
    from edgemask.painting import painter
    from edgemask.sinks.maps import IuvMaps, SemanticMaps
    from edgemask.sinks.mqtt_options import mqtt_from
    from edgemask.sinks.overlay import Overlays
    from edgemask.sinks.recording import Recording
    from edgemask.sinks.systemd import from_environment

    sinks = [_records(target, live, options.max_size) for target in options.jsonl]
    if options.overlay:
        paint = painter(options.draw)
        sinks += [Recording(options.out, paint=paint) if live else Overlays(options.out, paint)]
    sinks += [kind(options.out) for kind, wanted in ((SemanticMaps, options.semantic), (IuvMaps, options.iuv)) if wanted]
    sinks += mqtt_from(options, classes) + web_from(options)
    return from_environment() + (sinks or [_records("-", live, None)])


def _records(target, live, rotate):
    from edgemask.sinks.jsonl import JsonLines, StandardOutput
    from edgemask.sinks.server import JsonServer

    if target == "-":
        return StandardOutput()
    return JsonServer(target) if target.startswith(PREFIXES) else JsonLines(target, append=live, rotate=rotate)


def _check(options):
    check_mqtt(options)
    if options.draw and not options.overlay:
        raise OptionError("--draw says what --overlay shows, which is not given")
    options.dense |= options.iuv or options.draw not in (None, "masks")
    options.draw = options.draw or ("parts" if options.dense else "masks")
    files = {target: Path(target).resolve() for target in options.jsonl if target != "-" and not target.startswith(PREFIXES)}
    places = [files.get(target, target) for target in options.jsonl]
    if options.max_size and not files:
        raise OptionError("--max-size is for records in a file: name one with --jsonl FILE")
    for target, place in zip(options.jsonl, places, strict=True):
        if places.count(place) > 1:
            raise OptionError(f"--jsonl {target} is given twice: each place gets the records once")
        if Path(target).exists() and Path(options.source).exists() and Path(target).samefile(options.source):
            raise OptionError(f"--jsonl {target} is the source itself: give the records a file of their own")


def read_options(arguments):
    """The verb's options, from the command line and a configuration file. Raises OptionError."""
    it = parser(
        "run", "Segment a picture, a folder, a video or a camera.",
        "edgemask run clip.mp4 --jsonl masks.jsonl --overlay --out results",
    )  # fmt: skip
    it.add_argument("source", metavar="SOURCE", help=SOURCES)
    it.add_argument("--bundle", default=SHIPPED, metavar="FILE", help="default: the shipped person model")
    it.add_argument("--score", type=score, default=0.6, metavar="T", help="lowest score shown, not below the bundle's own, 0.05 (default %(default)s)")
    it.add_argument("--engine", choices=ENGINE_NAMES, default="auto", help=ENGINE_HELP)
    it.add_argument("--threads", type=count, metavar="N", help="threads per network (default: all cores but one)")
    it.add_argument("--frames", type=count, metavar="N", help="end after N frames")
    it.add_argument("--fps", type=rate, metavar="N", help="look at no more than N frames of a camera a second")
    it.add_argument("--gate", action="store_true", help="while nothing moves, repeat the last result instead of looking again")
    it.add_argument("--track", action="store_true", help="give everybody an id that stays from frame to frame")
    it.add_argument("--dense", action="store_true", help="find the parts of bodies and their surface coordinates, too")
    camera_options(it)
    out = it.add_argument_group("results")
    out.add_argument("--jsonl", action="append", default=[], metavar="FILE|-|unix:PATH|tcp:HOST:PORT",
                     help="one JSON record a frame (the default, to -), in a file or to whoever connects; may be repeated")  # fmt: skip
    out.add_argument("--max-size", type=file_size, metavar="SIZE",
                     help="begin a new FILE after SIZE, for example 100M, and keep FILE.1 (the newest) to FILE.5")  # fmt: skip
    out.add_argument("--overlay", action="store_true", help="draw masks, boxes, classes and scores")
    out.add_argument("--semantic", action="store_true", help="write class maps: 8-bit PNG, 0 background, else category id")
    out.add_argument("--draw", metavar="masks|parts|uv|PICTURE",
                     help="what --overlay shows: masks, body parts (the default with --dense), lines of equal U and V, or a "
                          "picture as a texture on people; all but masks turn --dense on")  # fmt: skip
    out.add_argument("--iuv", action="store_true",
                     help="write IUV maps, 8-bit RGB PNG: part, U · 255, V · 255; turns --dense on")  # fmt: skip
    out.add_argument("--out", default=Path("edgemask-out"), type=Path, metavar="DIR",
                     help="folder for pictures and videos (default edgemask-out)")  # fmt: skip
    mqtt_options(it)
    web_options(it)
    config_option(it)
    options = parse(it, arguments)
    with naming(options.config):
        _check(options)
    return options
