import re
import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = """
import importlib, pkgutil, sys

class Blocked:
    names = ("torch", "onnx", "edgemask.convert", "edgemask.calibration", "edgemask.benchmarks")
    def find_spec(self, name, path=None, target=None):
        if any(name == blocked or name.startswith(blocked + ".") for blocked in self.names):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
import edgemask
seen = 0
for module in pkgutil.walk_packages(edgemask.__path__, "edgemask.", onerror=lambda name: None):
    if not module.name.startswith((*Blocked.names, "edgemask.__main__")):
        importlib.import_module(module.name)
        seen += 1
people = edgemask.load(threads=1)
print(seen)
"""


def test_the_runtime_needs_no_torch_no_onnx_and_no_other_room():
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 25


def test_importing_edgemask_imports_nothing_heavy():
    program = "import sys, edgemask; print(sorted({'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


@pytest.mark.parametrize(("room", "others"), [("calibration", "convert|benchmarks"), ("convert", "benchmarks")])
def test_a_room_imports_no_room_after_it(room, others):
    """Looked up in the source, because what is imported where it is used is imported nowhere else."""
    modules = sorted(Path(__file__).parents[2].joinpath(room).rglob("*.py"))
    found = [path.name for path in modules if re.search(rf"(from|import) edgemask\.({others})\b", path.read_text())]
    assert modules and not found
