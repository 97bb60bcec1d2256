"""Emulated Pis with this checkout's wheel."""

import json
import os
from pathlib import Path

import cv2
import pytest

from edgemask import pictures
from edgemask.benchmarks.emulated.root import Checkout
from edgemask.errors import MissingLibrary
from edgemask.letterbox import content_size


@pytest.fixture(scope="session")
def checkout(tmp_path_factory) -> Checkout:
    try:
        return Checkout(tmp_path_factory.mktemp("checkout"))
    except MissingLibrary as error:
        assert not os.environ.get("CI"), error
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def photographs(shared) -> list:
    """Eight photographs with people, uint8 RGB."""
    folder = shared / "data" / "person"
    truth = json.loads((folder / "val.json").read_text())
    large = {one["image_id"] for one in truth["annotations"] if one["area"] > 30_000 and not one.get("iscrowd")}
    names = sorted(one["file_name"] for one in truth["images"] if one["id"] in large)
    return [pictures.read(folder / "val" / name) for name in names[:8]]


@pytest.fixture
def work(photographs, tmp_path) -> Path:
    """A folder with pictures/N.png, twice the size the model sees: then OpenCV's resize is exact everywhere."""
    (tmp_path / "pictures").mkdir()
    for number, rgb in enumerate(photographs):
        width, height = content_size(rgb.shape[1::-1], (320, 320))
        twice = cv2.resize(rgb, (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), cv2.cvtColor(twice, cv2.COLOR_RGB2BGR))
    return tmp_path
