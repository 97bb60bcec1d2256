"""Peak memory of a run and import time of the runtime.

    python -m edgemask.benchmarks.footprint clip.mp4 [--engine onnx] [--json]

Each figure comes from processes of their own; import time is the median of seven fresh interpreters.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile

from edgemask.arguments import ENGINE_NAMES

RSS_GOAL_MIB, IMPORT_GOAL_S = 115, 0.6
# The kernel's own high-water mark, read by the process that ran.
RUN = """
import sys
from edgemask.cli import main
code = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(int(peak.split()[1]) / 1024, file=sys.__stdout__)
sys.exit(code)
"""
IMPORT = """
import time
start = time.perf_counter()
import edgemask.verbs.run, edgemask.verbs.evaluate, edgemask.model, edgemask.cameras.video
import edgemask.cameras.stills, edgemask.sinks.jsonl, edgemask.sinks.overlay, edgemask.sinks.semantic
print(time.perf_counter() - start)
"""


def peak_rss_mib(source: str, engine: str) -> float:
    """Peak resident memory in MiB of `edgemask run SOURCE --jsonl … --overlay`; Linux only."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["run", source, "--jsonl", f"{folder}/out.jsonl", "--overlay", "--out", folder, "--engine", engine]
        return float(_last_line(RUN, command))


def import_seconds(repeats: int = 7) -> float:
    """Median seconds to import everything a run imports before it loads a network."""
    return statistics.median(float(_last_line(IMPORT)) for _ in range(repeats))


def _last_line(program, arguments=()):
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1], file=sys.stderr)
        sys.exit(done.returncode)
    return done.stdout.strip().splitlines()[-1]


def main():
    """Print both figures beside their goals."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.footprint", description=__doc__.splitlines()[0])
    it.add_argument("source", help="what to run on, for example clip.mp4")
    it.add_argument("--engine", choices=ENGINE_NAMES, default="auto")
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    result = {"peak_rss_mib": round(peak_rss_mib(options.source, options.engine), 1), "import_s": round(import_seconds(), 3),
              "goal_peak_rss_mib": RSS_GOAL_MIB, "goal_import_s": IMPORT_GOAL_S}  # fmt: skip
    if options.json:
        print(json.dumps(result))
        return
    print(f"peak RSS of the run  {result['peak_rss_mib']:6.1f} MiB  (goal ≤ {RSS_GOAL_MIB})")
    print(f"import of edgemask   {result['import_s']:6.3f} s    (goal ≤ {IMPORT_GOAL_S})")


if __name__ == "__main__":
    main()
