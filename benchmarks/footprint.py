"""Peak memory of a run, its time to the first masks, and the import time of the runtime.

    python -m edgemask.benchmarks.footprint clip.mp4 --overlay [--engine onnx] [--json]
    python -m edgemask.benchmarks.footprint clip.mp4 --dense
    python -m edgemask.benchmarks.footprint picamera2 --frames 300 --cold --web 127.0.0.1:8000 --mqtt mqtt://127.0.0.1

With --web HOST:PORT one viewer looks at the page from the first picture to the last. --cold empties the page cache first.
Each figure comes from processes of their own; import time is the median of seven fresh interpreters.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from edgemask.benchmarks.viewer import look
from edgemask.benchmarks.waiting import until

RSS_GOAL_MIB, DENSE_RSS_GOAL_MIB, FIRST_GOAL_S, IMPORT_GOAL_S = 115, 130, 2.0, 0.6
# The kernel's own figures, read by the process that ran: its high-water mark, and what is no library's mapped file. How
# much of those files counts depends on how they lie in the page cache: just installed, they may count for 30 MiB more than
# when they are read again after a start of the machine.
RUN = """
import sys
from edgemask.cli import main
code = main(sys.argv[1:])
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(*(int(status[field].split()[0]) / 1024 for field in ("VmHWM", "RssAnon")), file=sys.__stdout__)
sys.exit(code)
"""
IMPORT = """
import time
start = time.perf_counter()
import edgemask.verbs.run, edgemask.verbs.evaluate, edgemask.model, edgemask.cameras.video
import edgemask.cameras.stills, edgemask.sinks.jsonl, edgemask.sinks.overlay, edgemask.sinks.maps
print(time.perf_counter() - start)
"""


def run(arguments: list[str]) -> dict:
    """Memory in MiB of `edgemask run …`, and seconds from its start to the first record with a mask; Linux only."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-c", RUN, "run", *arguments, "--jsonl", "-", "--out", folder]
        start, first, line = time.monotonic(), None, ""
        if "--web" in arguments:
            address = arguments[arguments.index("--web") + 1]
            threading.Thread(target=_look, args=(f"ws://{address}/live",), daemon=True).start()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process:
            for line in process.stdout:
                if first is None and '"segmentation"' in line:
                    first = time.monotonic() - start
        _succeeded(process.returncode, said)
    peak, own = (round(float(figure), 1) for figure in line.split())
    return {"peak_rss_mib": peak, "own_mib": own, "first_masks_s": first and round(first, 2)}


def _look(address):
    until(lambda: _listens(address))
    for _ in look(address):
        pass


def _listens(address):
    with contextlib.suppress(OSError), socket.create_connection((urlsplit(address).hostname, urlsplit(address).port)):
        return True
    return False


def import_seconds(repeats: int = 7) -> float:
    """Median seconds to import everything a run imports before it loads a network."""
    return statistics.median(_import_once() for _ in range(repeats))


def _import_once():
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run([sys.executable, "-c", IMPORT], stdout=subprocess.PIPE, stderr=said, text=True)
        _succeeded(done.returncode, said)
    return float(done.stdout)


def _succeeded(code, said):
    if code:
        said.seek(0)
        print(said.read().strip().splitlines()[-1], file=sys.stderr)
        sys.exit(code)


def main():
    """Print the figures beside their goals."""
    it = argparse.ArgumentParser(
        prog="python -m edgemask.benchmarks.footprint", description=__doc__.splitlines()[0],
        epilog="SOURCE and all other options are those of edgemask run.",
    )  # fmt: skip
    it.add_argument("--json", action="store_true")
    it.add_argument("--cold", action="store_true", help="as after a start of the machine: empty the page cache first; root")
    options, arguments = it.parse_known_args()
    if options.cold:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    goal = DENSE_RSS_GOAL_MIB if "--dense" in arguments else RSS_GOAL_MIB
    result = {**run(arguments), "import_s": round(import_seconds(), 3),
              "goal_peak_rss_mib": goal, "goal_first_masks_s": FIRST_GOAL_S, "goal_import_s": IMPORT_GOAL_S}  # fmt: skip
    if options.json:
        print(json.dumps(result))
        return
    print(f"peak RSS of the run       {result['peak_rss_mib']:6.1f} MiB  (goal ≤ {goal})")
    print(f"of it no mapped file      {result['own_mib']:6.1f} MiB")
    print("no masks in these frames" if result["first_masks_s"] is None else
          f"start to the first masks  {result['first_masks_s']:6.2f} s    (goal ≤ {FIRST_GOAL_S:g})")  # fmt: skip
    print(f"import of edgemask        {result['import_s']:6.3f} s    (goal ≤ {IMPORT_GOAL_S})")


if __name__ == "__main__":
    main()
