"""edgemask run: segment whatever a source gives."""

import contextlib
import sys
from pathlib import Path

import edgemask
from edgemask.arguments import ENGINE_HELP, ENGINE_NAMES, count, parser, score
from edgemask.bundle import SHIPPED
from edgemask.cameras import open_camera
from edgemask.errors import OptionError, SourceError
from edgemask.progress import progress


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    camera = open_camera(options.source)
    if options.jsonl not in (None, "-") and Path(options.jsonl).exists() and Path(options.jsonl).samefile(options.source):
        raise OptionError(f"--jsonl {options.jsonl} is the source itself: give the records a file of their own")
    model = edgemask.load(options.bundle, options.engine, options.threads)
    return segment(camera, model, sinks_for(options), options.score)


def segment(camera, model, sinks, threshold: float) -> int:
    """Run the model on every frame and give the results to the sinks; the exit code is 2 when frames were skipped."""
    print(f"{model.bundle.manifest['name']} on {model.engines['trunk']}", file=sys.stderr)
    frames = found = 0
    with contextlib.ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        for frame in progress(camera, "frames", len(camera)):
            detections = model(frame.rgb).above(threshold)
            for sink in sinks:
                sink.write(frame, detections)
            frames, found = frames + 1, found + len(detections)
    if not frames:
        raise SourceError("none of the pictures could be read")
    print(f"{found} instance{'s' * (found != 1)} in {frames} frame{'s' * (frames != 1)}", file=sys.stderr)
    for sink in sinks:
        if sink.paths:
            more = f" and {len(sink.paths) - 1} more beside it" if len(sink.paths) > 1 else ""
            print(f"wrote {sink.paths[0]}{more}", file=sys.stderr)
    if camera.skipped:
        print(f"{camera.skipped} of {len(camera)} could not be read", file=sys.stderr)
    return 2 if camera.skipped else 0


def sinks_for(options) -> list:
    """The sinks the options ask for; records on standard output when they ask for none."""
    from edgemask.sinks.jsonl import JsonLines
    from edgemask.sinks.overlay import Overlays
    from edgemask.sinks.semantic import SemanticMaps

    sinks = [JsonLines(options.jsonl)] if options.jsonl else []
    sinks += [Overlays(options.out)] if options.overlay else []
    sinks += [SemanticMaps(options.out)] if options.semantic else []
    return sinks or [JsonLines("-")]


def _options(arguments):
    it = parser(
        "run", "Segment a picture, a folder, a video or a camera.",
        "edgemask run clip.mp4 --jsonl masks.jsonl --overlay --out results",
    )  # fmt: skip
    it.add_argument("source", metavar="SOURCE", help="a picture, a folder, a video file or a camera index")
    it.add_argument("--bundle", default=SHIPPED, metavar="FILE", help="default: the shipped person model")
    it.add_argument("--out", default=Path("edgemask-out"), type=Path, metavar="DIR",
                    help="folder for pictures and videos (default edgemask-out)")  # fmt: skip
    it.add_argument("--jsonl", metavar="FILE|-", help="write one JSON record a frame (the default, to -)")
    it.add_argument("--overlay", action="store_true", help="draw masks, boxes, classes and scores")
    it.add_argument("--semantic", action="store_true", help="write class maps: 8-bit PNG, 0 background, else category id")
    it.add_argument("--score", type=score, default=0.5, metavar="T", help="lowest score shown, down to 0.05 (default 0.5)")
    it.add_argument("--engine", choices=ENGINE_NAMES, default="auto", help=ENGINE_HELP)
    it.add_argument("--threads", type=count, metavar="N", help="threads per network (default: all cores but one)")
    return it.parse_args(arguments)
