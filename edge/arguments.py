"""Command-line pieces that several verbs share."""

import argparse

from edgemask.errors import OptionError

ENGINE_NAMES = ("auto", "tflite", "onnx")
ENGINE_HELP = "what runs the networks (default auto: tflite where ai-edge-litert is installed, else onnx)"

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise OptionError(f"{message} ({self.prog} --help shows how)")


def parser(verb: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A verb's parser; its help ends with an example."""
    return _Parser(
        prog=f"edgemask {verb}", description=summary, epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False,
    )  # fmt: skip


def input_size(text: str) -> tuple[int, int]:
    """`320x192` as (width, height), both multiples of 64."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, for example 320x192")
    size = int(width), int(height)
    if any(side % 64 or not 64 <= side <= 4096 for side in size):
        raise argparse.ArgumentTypeError(f"{text}: each side must be a multiple of 64 from 64 to 4096")
    return size


def score(text: str) -> float:
    """A score threshold in [0, 1]."""
    return _number(text, lambda value: 0 <= value <= 1, "a score between 0 and 1")


def points(text: str) -> float:
    """A number of AP points, 0 or more."""
    return _number(text, lambda value: value >= 0, "a number of AP points, such as 0.3")


def positive(text: str) -> float:
    """A number above 0."""
    return _number(text, lambda value: 0 < value < float("inf"), "a number above 0")


def rate(text: str) -> float:
    """Frames a second, above 0."""
    return _number(text, lambda value: 0 < value <= 1000, "a number of frames a second above 0")


def _number(text, fits, what):
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to a million")
    return int(text)


def file_size(text: str) -> int:
    """Bytes, as `100M` or `2G`: powers of 1024."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in UNITS else (text, "")
    if not number.isdecimal() or not 0 < int(number) < 1 << 40:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size, for example 100M")
    return int(number) * UNITS.get(unit, 1)
