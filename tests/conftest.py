"""What several suites need: real pictures, the shipped model, a freshly converted one."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import edgemask
from edgemask import pictures
from edgemask.bundle import SHIPPED

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "convert" / "models"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pictures and clips, which only the project's own machines have."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        assert not os.environ.get("CI"), "CI must have the folder ../shared with pictures and clips"
        pytest.skip("needs ../shared, the project's folder of test pictures and clips")
    return folder


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    return MODELS / "person_v1.safetensors"


@pytest.fixture(scope="session")
def golden():
    return np.load(MODELS / "person_v1.golden.npz")


@pytest.fixture(scope="session")
def astronaut_path() -> Path:
    return SHIPPED.parent / "astronaut.jpg"


@pytest.fixture(scope="session")
def astronaut(astronaut_path) -> np.ndarray:
    return pictures.read(astronaut_path)


@pytest.fixture
def model() -> edgemask.Model:
    """The shipped model; a test may put other engines in."""
    return edgemask.load(threads=1)


@pytest.fixture(scope="session")
def converted(tmp_path_factory, checkpoint, shared):
    """The shipped checkpoint converted as README says: (int8 bundle path, float bundle path)."""
    from edgemask.cli import main

    out = tmp_path_factory.mktemp("converted") / "person.edgemask"
    calibration = shared / "data" / "person" / "train.json"
    assert main(["convert", str(checkpoint), "--calibration", str(calibration), "-o", str(out)]) == 0
    return out, out.with_name("person-float.edgemask")


@pytest.fixture(scope="session")
def install_in(tmp_path_factory):
    """`install_in(root)` runs README's commands for a Pi in a Debian root, which brings what apt brings on a Pi."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "--system-site-packages" in block)
    commands = "".join(line for line in block.splitlines(True) if "apt install" not in line and "edgemask run" not in line)
    source = tmp_path_factory.mktemp("source") / "edgemask"
    # A copy: setuptools puts into a wheel whatever an earlier build left behind in the checkout.
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", "build", "*.egg-info", "*.part"))

    def install(root: Path):
        clone = root / "opt" / "clone"
        for old in (clone, root / "opt" / "edgemask"):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(source, clone)
        script = f'set -e\nsudo() {{ "$@"; }}\ncd /opt/clone\n{commands}'
        subprocess.run(["chroot", root, "bash", "-c", script], check=True, env={"PATH": "/usr/sbin:/usr/bin", "HOME": "/root"})

    return install
