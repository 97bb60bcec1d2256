"""The soak, in pieces: the long run short, and every fault."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgemask.benchmarks import faults
from edgemask.sinks.jsonl import JsonLines

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory and open files are read from /proc")


def soak(*options):
    done = subprocess.run([sys.executable, "-m", "edgemask.benchmarks.soak", "--json", *options], capture_output=True, text=True)
    print(done.stderr)
    return done.returncode, json.loads(done.stdout)


@linux
def test_the_figures_and_one_fault():
    code, result = soak("--frames", "60", "--real", "10", "--scale", "0.04", "--faults", "camera stalls")
    run = result["steady"]
    assert run["frames"] == 60 and run["real"] == 10 and run["rss_mib"][1] > 30 and run["files"][1] > 5
    assert 0 < run["age_ms_end"]["p50"] <= run["age_ms_end"]["p99"]
    assert len(result["faults"]) == 3 and all(row["kept"] for row in result["faults"]), result["faults"]
    assert code == (0 if run["kept"] else 1)


def test_a_broken_promise_is_found(tmp_path, monkeypatch):
    """A sink that leaves half lines does not pass."""
    append = JsonLines._append
    monkeypatch.setattr(JsonLines, "_append", lambda self, line: append(self, line[:-9]))
    rows = dict(_checked(tmp_path, "camera vanishes"))
    assert not rows["every line whole, numbers growing"] and rows["one sentence each way"]


def _checked(folder: Path, fault):
    ((_, promises),) = faults.check(folder, 0.1, [fault])
    return promises


@linux
@pytest.mark.soak
@pytest.mark.parametrize("fault", faults.FAULTS)
def test_what_was_promised_is_kept(tmp_path, fault):
    broken = [promise for promise, kept in _checked(tmp_path, fault) if not kept]
    assert not broken


@linux
@pytest.mark.soak
def test_a_long_run_neither_grows_nor_leaks():
    code, result = soak("--frames", "4000", "--real", "200", "--faults")
    print(result)
    assert code == 0 and result["steady"]["kept"] and result["faults"] == []
    assert {"Mqtt", "WebPage"} <= set(result["steady"]["sinks"]) and result["steady"]["viewed"] > 1000
