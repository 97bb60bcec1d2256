"""Camera options on the command line, shared by the verbs that take a SOURCE."""

import argparse

from edgemask.cameras import Source, find_source


def camera_options(parser):
    """Declare the flags that say how a camera gives its frames."""
    group = parser.add_argument_group("camera")
    group.add_argument("--hflip", action="store_true", help="mirror left to right")
    group.add_argument("--vflip", action="store_true", help="turn upside down")
    group.add_argument("--rotate", type=int, choices=(0, 180), default=0, help="for a camera that hangs upside down")
    group.add_argument("--focus", type=_focus, metavar="continuous|DIOPTRES",
                       help="picamera2: autofocus (the default where the camera has one), or a fixed distance of 1/DIOPTRES m")  # fmt: skip
    group.add_argument("--paced", action="store_true", help="play a video file at its own rate, skipping what is late")


def source_from(options) -> Source:
    """The source that parsed options name. Raises SourceError, OptionError, MissingLibrary."""
    return find_source(
        options.source, hflip=options.hflip, vflip=options.vflip, rotate=options.rotate, focus=options.focus, paced=options.paced
    )


def _focus(text):
    if text == "continuous":
        return text
    try:
        dioptres = float(text)
    except ValueError:
        dioptres = -1.0
    if not 0 <= dioptres <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is neither continuous nor dioptres from 0 (infinity) up, for example 2.5")
    return dioptres
