"""edgemask against YOLO11n-seg, YOLO26n-seg and torchvision's Mask R-CNN on MobileNetV3, end to end.

    python -m edgemask.benchmarks.peers [PEER …] [--threads 1,2] [--processes 5] [--rounds 30] [--networks FOLDER] [--json]

Each side goes from the same 640×480 RGB frame to ten people's boxes and full-size masks, at an input of 320×320: letterbox,
network, NMS, masks. The peers are exported here, without trained weights and with one class; every network computes all it
has to, and the answers that its own NMS and mask code then get are those of the same ten people, which is checked. A ratio
is a peer's time through edgemask's (int8 in LiteRT), above 1 edgemask is the faster: the median over rounds in which both
run in one process, in turn first and second; then the median, lowest and highest of several processes. Only ratios are
printed: milliseconds belong to a quiet device.
"""

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path

from edgemask import device
from edgemask.arguments import count
from edgemask.benchmarks.engines import FLAGS
from edgemask.benchmarks.peers.measure import measure
from edgemask.benchmarks.peers.peers import BASE, PEERS
from edgemask.command import exit_code
from edgemask.errors import MissingLibrary, OptionError


def main(arguments=None) -> int:
    """The exit code: 0 well, 2 bad input, 1 where a peer failed; a peer whose library is missing is no failure."""
    it = argparse.ArgumentParser(
        prog="python -m edgemask.benchmarks.peers", description=__doc__.splitlines()[0],
        epilog=f"PEER is one of {', '.join(PEERS)}",
    )  # fmt: skip
    it.add_argument("peer", nargs="*", metavar="PEER", help="default: all")
    it.add_argument("--threads", default="1,2", help="comma-separated (default 1,2)")
    it.add_argument("--processes", type=count, default=5, help="for each peer and number of threads (default 5)")
    it.add_argument("--rounds", type=count, default=30, help="in each process (default 30)")
    it.add_argument("--networks", type=Path, metavar="FOLDER",
                    help="export into this folder, and take what is there: it may come from another machine")  # fmt: skip
    it.add_argument("--json", action="store_true")
    return exit_code(compare, it.parse_args(arguments))


def compare(options) -> int:
    """Measure and print."""
    names, threads = options.peer or list(PEERS), [_threads(text) for text in options.threads.split(",")]
    if unknown := [name for name in names if name not in PEERS]:
        raise OptionError(f"no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    if BASE.missing(Path()):
        raise MissingLibrary("the peers are compared with edgemask in LiteRT: pip install ai-edge-litert")
    with contextlib.ExitStack() as stack:
        folder = options.networks or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = measure([PEERS[name] for name in names], folder.resolve(), threads, options.processes, options.rounds)
    flags = [flag for flag in FLAGS if flag in device.cpu_flags()]
    if options.json:
        settings = {"threads": threads, "processes": options.processes, "rounds": options.rounds}
        print(json.dumps({"cpu_flags": flags, **settings, "peer_through_edgemask": rows}))
    else:
        print("\n".join(table(rows, threads, flags)))
    return int(any("failed" in row for row in rows.values()))


def table(rows: dict[str, dict], threads: list[int], flags: list[str]) -> list[str]:
    """The rows as lines of Markdown, and what the CPU can."""
    heads = [f"{number} thread{'s' * (number > 1)}" for number in threads]
    lines = [f"| network | runtime | | {' | '.join(heads)} |", f"|{'---|' * (3 + len(heads))}"]
    for name, row in rows.items():
        peer = PEERS[name]
        cells = [peer.network, row.get("runs", peer.runtime), peer.precision]
        if "ratios" in row:
            cells += ["{:.2f} ({:.2f} to {:.2f})".format(*row["ratios"][number]) for number in threads]
        else:
            missing = f"needs {', '.join(row.get('missing', []))}: pip install 'edgemask[peers]'"
            cells += [row.get("failed", missing), *[""] * (len(threads) - 1)]
        lines.append(f"| {' | '.join(cells)} |")
    base = next((row["base"] for row in rows.values() if "base" in row), "ai-edge-litert")
    return [*lines, "", f"a peer's time through edgemask's in {base}; CPU flags {' '.join(flags) or 'unknown'}"]


def _threads(text):
    try:
        return count(text)
    except argparse.ArgumentTypeError as error:
        raise OptionError(f"--threads: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
