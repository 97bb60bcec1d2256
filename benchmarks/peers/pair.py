"""edgemask against one peer, in a process of their own.

    python -m edgemask.benchmarks.peers.pair PEER FOLDER THREADS ROUNDS

Prints {"ratio": the peer's time through edgemask's, median of rounds in which both run one after the other, in turn first
and second, "runs": what ran it, "base": what ran edgemask, "instances": …, "box_iou": …, "mask_iou": …}.
"""

import json
import sys
from pathlib import Path

import cv2

from edgemask.benchmarks.peers import PeerError, scene
from edgemask.benchmarks.peers.peers import BASE, PEERS
from edgemask.timing import time_ratio


def main(name: str, folder: str, threads: str, rounds: str) -> int:
    """The exit code; raises nothing but what a library raises."""
    cv2.setNumThreads(1)
    rgb = scene.frame()
    base, base_runs = BASE.segmenter(Path(folder), int(threads))
    peer, runs = PEERS[name].segmenter(Path(folder), int(threads))
    try:
        scene.check(base(rgb))
        found = scene.check(peer(rgb))
    except PeerError as error:
        print(f"{name} {error}", file=sys.stderr)
        return error.exit_code
    ratio, _, _ = time_ratio(lambda: peer(rgb), lambda: base(rgb), int(rounds))
    print(json.dumps({"ratio": ratio, "runs": runs, "base": base_runs, **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
