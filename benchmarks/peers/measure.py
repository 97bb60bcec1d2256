"""Exporting the peers and timing them, each in processes of their own."""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from edgemask.benchmarks.peers import PeerError
from edgemask.benchmarks.peers.peers import Peer
from edgemask.benchmarks.peers.runtimes import ENVIRONMENT
from edgemask.progress import progress


def measure(peers: list[Peer], folder: Path, threads: list[int], processes: int, rounds: int) -> dict[str, dict]:
    """By peer's name {"runs": …, "base": …, "instances": 10, "box_iou": …, "mask_iou": …, "ratios": {threads: [median,
    lowest, highest]}}, or {"missing": libraries}, or {"failed": a sentence}.

    A ratio is the peer's time through edgemask's: the median, lowest and highest of what the processes found.
    """
    rows = {peer.name: {"missing": missing} for peer in peers if (missing := peer.missing(folder))}
    ready = [peer for peer in peers if peer.name not in rows]
    for network in progress(_to_export(ready, folder), "exporting"):
        try:
            _python("export", network, folder)
        except PeerError as error:
            rows |= {peer.name: {"failed": f"export: {error}"} for peer in ready if peer.network == network}
    todo = [(peer, count) for _ in range(processes) for count in threads for peer in ready]
    ratios = defaultdict(lambda: defaultdict(list))
    for peer, count in progress(todo, "measuring"):
        if "failed" in rows.get(peer.name, {}):
            continue
        try:
            found = json.loads(_python("pair", peer.name, folder, count, rounds))
        except PeerError as error:
            rows[peer.name] = {"failed": str(error)}
            continue
        ratios[peer.name][count].append(found.pop("ratio"))
        rows[peer.name] = found
    for name, found in ratios.items():
        if "failed" not in rows[name]:
            rows[name]["ratios"] = {count: [statistics.median(all_), min(all_), max(all_)] for count, all_ in found.items()}
    return {peer.name: rows[peer.name] for peer in peers}


def _to_export(peers, folder):
    return list(dict.fromkeys(peer.network for peer in peers if not peer.exported(folder)))


def _python(module, *arguments) -> str:
    """What a module of this package writes to standard output; raises PeerError with the last it says before it fails."""
    command = [sys.executable, "-m", f"edgemask.benchmarks.peers.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ENVIRONMENT})
    if done.returncode:
        end = f"died of signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise PeerError((done.stderr.strip().splitlines() or [end])[-1])
    return done.stdout
