"""Run this checkout on an emulated Raspberry Pi, count its instructions, or make a card of them.

    python -m edgemask.benchmarks.emulated run --board pi4 edgemask run /srv/people.jpg
    python -m edgemask.benchmarks.emulated count [--board pi5] [--check | --update] [--json]
    python -m edgemask.benchmarks.emulated count --board pi5 edgemask inspect
    python -m edgemask.benchmarks.emulated card --board pi5

The arm64 roots, of Debian bookworm and trixie, are made when first needed and kept in ~/.cache/edgemask. Counts say
how much work a Pi has, never how long it takes.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from edgemask.benchmarks.emulated import count
from edgemask.benchmarks.emulated.boards import BOARDS
from edgemask.benchmarks.emulated.counted import counted_result
from edgemask.benchmarks.emulated.root import RELEASES, Checkout
from edgemask.benchmarks.latency.card import card as text_card
from edgemask.benchmarks.latency.result import write
from edgemask.bundle import Bundle
from edgemask.command import exit_code
from edgemask.progress import progress

UPDATE = "python -m edgemask.benchmarks.emulated count --update"


def run(options) -> int:
    """A command on a board, its standard streams ours; the exit code is the command's."""
    with tempfile.TemporaryDirectory() as folder:
        pi = Checkout(Path(folder)).pi(options.board, options.release, options.work.resolve())
        return subprocess.run(pi.command(options.program, *options.arguments), env=pi.variables({})).returncode


def counts(options) -> int:
    """The counts, as a table; 1 when --check finds that a part has grown."""
    if options.table:
        print(count.table(count.figures()))
        return 0
    if options.command:
        return _command(options)
    rows = _rows(options)
    todo = [(row, board) for row in rows for board in options.board or BOARDS]
    found = {row: {} for row in rows}
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder))
        work = Path(folder, "work")
        work.mkdir()
        for row, board in progress(todo, "counting"):
            found[row][board] = count.parts(checkout.pi(board, options.release, work), *rows[row])
    print(json.dumps(found) if options.json else count.table(found))
    if options.update:
        count.update(found)
    sentences = count.grown(found, count.figures()) if options.check else []
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    if sentences:
        print(f"make it cheaper, or say in the same commit that it is dearer: {UPDATE}", file=sys.stderr)
    return 1 if sentences else 0


def card(options) -> int:
    """A result of `edgemask bench` with instructions in the place of times, and its card and page; 0."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder))
        work = Path(folder, "work")
        work.mkdir()
        result = counted_result(checkout.pi(options.board, options.release, work))
    paths = write(options.output or Path("edgemask-bench", f"{options.board}-emulated.json"), result)
    print(json.dumps(result) if options.json else text_card(result))
    print(f"wrote {', '.join(map(str, paths))}", file=sys.stderr)
    return 0


def _command(options):
    """Counts at each mark (a call of os.getppid) of any command, and at its end."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder))
        found = {board: count.counted(checkout.pi(board, options.release, Path(folder)), *options.command)[1]
                 for board in progress(options.board or list(BOARDS), "counting")}  # fmt: skip
    lines = [" ".join([board, *(f"{kind} {one[kind]:,}" for kind in count.CLASSES)]) for board in found for one in found[board]]
    print(json.dumps(found) if options.json else "\n".join(lines))
    return 0


def _rows(options):
    """Row name to engine and file."""
    if options.peer:
        return {options.peer.stem: ("peer", options.peer)}
    bundle = Bundle(options.bundle) if options.bundle else Bundle()
    label = f"{bundle.manifest['name'].removesuffix('-float')} {bundle.manifest['precision']}"
    return {f"{label} {engine}": (engine, options.bundle) for engine in options.engine or bundle.engines()}


def main(arguments=None) -> int:
    """The exit code: 0 well, 2 bad input, 1 a failure."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.emulated", description=__doc__.splitlines()[0])
    verbs = it.add_subparsers(required=True, metavar="VERB")
    one = verbs.add_parser("run", help="run a program on a board")
    one.add_argument("--board", choices=BOARDS, required=True)
    one.add_argument("--work", type=Path, default=Path("."), help="folder that is /srv there (default: this one)")
    one.add_argument("program", help="a program of the root, edgemask and python among them")
    one.add_argument("arguments", nargs=argparse.REMAINDER)
    one.set_defaults(verb=run)
    two = verbs.add_parser("count", help="count the instructions of a frame, part by part and by class, on one thread")
    two.add_argument("--board", choices=BOARDS, action="append", help="may be repeated (default: all)")
    two.add_argument("--engine", choices=("tflite", "onnx"), action="append", help="may be repeated (default: the bundle's)")
    two.add_argument("--bundle", type=Path, help="default: the shipped person model")
    two.add_argument("--peer", type=Path, metavar="NETWORK.onnx", help="count another network in ONNX Runtime instead")
    two.add_argument("--json", action="store_true")
    two.add_argument("command", nargs=argparse.REMAINDER, metavar="PROGRAM …", help="count this program instead, in all")
    do = two.add_mutually_exclusive_group()
    do.add_argument("--check", action="store_true", help="exit 1 when a part has grown by over 1 %% since figures.json")
    do.add_argument("--update", action="store_true", help="write figures.json")
    do.add_argument("--table", action="store_true", help="only print figures.json as README's table")
    two.set_defaults(verb=counts)
    three = verbs.add_parser("card", help="make the card of a board: what it is and how much work a frame has, no times")
    three.add_argument("--board", choices=BOARDS, required=True)
    three.add_argument("-o", "--output", type=Path, metavar="FILE.json", help="a card (.md) and a page (.html) come beside it")
    three.add_argument("--json", action="store_true")
    three.set_defaults(verb=card)
    for verb in (one, two, three):
        verb.add_argument("--release", choices=RELEASES, default=RELEASES[-1], help="Debian's (default %(default)s)")
    options = it.parse_args(arguments)
    return exit_code(options.verb, options)


if __name__ == "__main__":
    sys.exit(main())
