"""The command `edgemask`: one table of verbs, each resolved when called."""

import importlib
import logging
import os
import signal
import sys
import threading
from importlib import metadata

from edgemask.errors import EdgemaskError, MissingLibrary, OptionError, OutputError

VERBS = {
    "run": ("edgemask.verbs.run:main", "segment a picture, a folder, a video or a camera"),
    "demo": ("edgemask.verbs.demo:main", "see it work on a picture and a clip that come with it"),
    "inspect": ("edgemask.verbs.inspect:main", "show what is in a bundle"),
    "evaluate": ("edgemask.verbs.evaluate:main", "measure box and mask AP on a COCO set"),
    "capture": ("edgemask.verbs.capture:main", "record calibration pictures on the device"),
    "config": ("edgemask.verbs.config:main", "check a configuration file"),
    "service": ("edgemask.verbs.service:main", "run a configuration as a systemd service"),
    "flash": ("edgemask.verbs.flash:main", "make an SD card that segments from its first boot"),
    "doctor": ("edgemask.verbs.doctor:main", "say what is wrong on this machine and how to fix it"),
    "bench": ("edgemask.benchmarks.latency.command:main", "measure latency on this machine, and whether it counts"),
    "compare": ("edgemask.benchmarks.latency.compare:main", "put results of bench side by side"),
    "train": ("edgemask.convert.train.command:main", "train a model on your own labelled pictures"),
    "convert": ("edgemask.convert.command:main", "convert a float checkpoint to an int8 bundle"),
}

# Read by numpy and OpenCV when they are first imported. The glue's matrices are small: a thread pool
# for them only takes cores from the networks. We say ourselves, once, what OpenCV would say in its way.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}


def main(arguments: list[str] | None = None) -> int:
    """Run a verb and return the exit code: 0 well, 2 bad input, 1 a failure."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in arguments
    try:
        code = _run([argument for argument in arguments if argument != "--debug"])
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if debug:
            raise
        return _explain(error)


def _run(arguments):
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    wipe = "\r\033[K" * (sys.stderr is not None and sys.stderr.isatty())  # a progress line may stand there
    logging.basicConfig(format=f"{wipe}edgemask: %(message)s", level=logging.WARNING)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # closed by whoever started us
    if threading.current_thread() is threading.main_thread():
        for stop in {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:  # Windows has no SIGHUP
            signal.signal(stop, lambda number, _: sys.exit(128 + number))
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0 if arguments else 2
    verb, *rest = arguments
    if verb == "--version":
        print(f"edgemask {metadata.version('edgemask')}")
        return 0
    if verb not in VERBS:
        raise OptionError(f"no verb {verb!r}; there are {', '.join(VERBS)}")
    try:
        return _call(verb, rest)
    except SystemExit as end:  # argparse ends --help so
        if end.code:
            raise
        return 0


def _explain(error) -> int:
    """Say what went wrong in one sentence; the exit code."""
    if isinstance(error, OSError) and not isinstance(error, EdgemaskError):
        # Nobody reads standard output any more, or its disk is full: the interpreter must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if isinstance(error, BrokenPipeError):
            return 1
        error = OutputError(f"{error.filename or 'standard output'}: {error.strerror or error}")
    code = getattr(error, "exit_code", 1)
    expected = isinstance(error, EdgemaskError)
    sentence = str(error) if expected else f"failed with {type(error).__name__}: {error} (--debug shows where)"
    print(f"edgemask: {sentence}", file=sys.stderr)
    return code


def _call(verb, arguments) -> int:
    module, _, function = VERBS[verb][0].partition(":")
    try:
        return getattr(importlib.import_module(module), function)(arguments)
    except ImportError as error:
        extra = "train" if verb == "train" else "convert"
        if module.startswith("edgemask.convert") and error.name in ("torch", "onnx", "safetensors", "onnxruntime", "flatbuffers"):
            raise MissingLibrary(f"{verb} needs {error.name}: pip install 'edgemask[{extra}]'") from error
        raise


def _usage():
    verbs = "\n".join(f"  {verb:10}{summary}" for verb, (_, summary) in VERBS.items())
    return f"usage: edgemask VERB …\n\n{verbs}\n\nedgemask VERB --help says more; --debug shows a traceback."

