"""Emulated Pis with this checkout's wheel."""

import json
import os
import shutil
from pathlib import Path

import pytest

from edgemask.benchmarks.emulated.root import Checkout
from edgemask.errors import MissingLibrary


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Checkout:
    try:
        return Checkout(tmp_path_factory.mktemp("checkout"))
    except MissingLibrary as error:
        assert not os.environ.get("CI"), error
        pytest.skip(str(error))


@pytest.fixture
def work(shared, tmp_path) -> Path:
    """A folder with eight photographs of people in pictures/."""
    folder = shared / "data" / "person"
    truth = json.loads((folder / "val.json").read_text())
    large = {one["image_id"] for one in truth["annotations"] if one["area"] > 30_000 and not one.get("iscrowd")}
    (tmp_path / "pictures").mkdir()
    for name in sorted(one["file_name"] for one in truth["images"] if one["id"] in large)[:8]:
        shutil.copy(folder / "val" / name, tmp_path / "pictures")
    return tmp_path
