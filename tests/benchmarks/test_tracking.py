"""The tracking benchmark as its README command runs it."""

import json
import subprocess
import sys

from edgemask.benchmarks.tracking import SCENES


def test_every_scene_has_a_row():
    command = [sys.executable, "-m", "edgemask.benchmarks.tracking"]
    rows = json.loads(subprocess.check_output([*command, "--json"], text=True))
    assert list(rows) == list(SCENES) and all(row["switches"] == 0 for row in rows.values())
    assert rows["weak and missed"]["fragmentations"] > 0  # nobody sees what the detector misses
    printed = subprocess.check_output(command, text=True).splitlines()
    assert len(printed) == 1 + len(SCENES) and printed[1].split()[0] == "crossing"
