import json
import subprocess
import sys

import pytest

from edgemask.cli import main


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_first_masks_and_import_time_are_printed(tmp_path):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    command = [sys.executable, "-m", "edgemask.benchmarks.footprint", str(tmp_path / "astronaut-clip.mp4"), "--overlay", "--json"]
    result = json.loads(subprocess.check_output(command))
    print(result)
    assert 50 < result["peak_rss_mib"] < 400 and 0 < result["import_s"] < 30
    assert 0 < result["first_masks_s"] < 60
    broken = subprocess.run([*command[:3], str(tmp_path / "none.mp4")], capture_output=True, text=True)
    assert broken.returncode == 2 and "none.mp4" in broken.stderr
