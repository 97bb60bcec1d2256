"""What several suites need: real pictures, the shipped model and its float reference."""

import os
import shutil
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
def converted(tmp_path_factory, checkpoint):
    """(A copy of the shipped bundle, its float reference made from the checkpoint beside it)."""
    from edgemask.cli import main

    folder = tmp_path_factory.mktemp("converted")
    int8, exact = folder / "person.edgemask", folder / "person-float.edgemask"
    shutil.copy(SHIPPED, int8)
    assert main(["convert", str(checkpoint), "--float", "-o", str(exact)]) == 0
    return int8, exact
