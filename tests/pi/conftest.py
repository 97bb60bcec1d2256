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
    """A folder with the photographs, photographs/N.png, and with as much of them as the model sees, small/N.png."""
    for number, rgb in enumerate(photographs):
        small = cv2.resize(rgb, content_size(rgb.shape[1::-1], (320, 320)), interpolation=cv2.INTER_AREA)
        for name, picture in (("photographs", rgb), ("small", small)):
            (tmp_path / name).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / name / f"{number}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return tmp_path
