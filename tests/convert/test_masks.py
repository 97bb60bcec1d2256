"""Masks for boxes that have none, by a model itself."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")

from edgemask import rle  # noqa: E402
from edgemask.convert.train import masks  # noqa: E402


@pytest.fixture
def labels(tmp_path, astronaut, astronaut_path, model):
    """The astronaut with her box alone, a box of nobody, one that has a mask, and a crowd."""
    person = model(astronaut).coco()[0]
    height, width = astronaut.shape[:2]
    square = rle.encode(np.ones((10, 10), bool), (width, height), 5, 5)
    rows = [{"bbox": person["bbox"]}, {"bbox": [width - 80, 0, 60, 60]}, {"bbox": [5, 5, 10, 10], "segmentation": square},
            {"bbox": [0, 0, 50, 50], "iscrowd": 1}]  # fmt: skip
    content = {
        "images": [{"id": 7, "file_name": astronaut_path.name, "width": width, "height": height}],
        "categories": [{"id": 4, "name": "person"}, {"id": 9, "name": "cat"}],  # the model knows no cats; there are none
        "annotations": [{"id": index, "image_id": 7, "category_id": 4, **row} for index, row in enumerate(rows)],
    }
    path = tmp_path / "set" / "boxes.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    (path.parent / astronaut_path.name).write_bytes(astronaut_path.read_bytes())
    return path


def test_a_box_gets_the_mask_of_what_it_holds(labels, checkpoint, tmp_path, astronaut, model, capsys):
    out = tmp_path / "masked.json"
    assert masks.main([str(checkpoint), str(labels), str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"without": 2, "masks": 1}
    content, before = json.loads(out.read_text()), json.loads(labels.read_text())
    assert (out.parent / content["images"][0]["file_name"]).is_file()
    person, nobody, known, crowd = content["annotations"]
    assert (nobody, known, crowd) == tuple(before["annotations"][1:])
    mine, seen = rle.decode(person["segmentation"]), rle.decode(model(astronaut).coco()[0]["segmentation"])
    assert mine.shape == astronaut.shape[:2] and (mine & seen).sum() > 0.75 * (mine | seen).sum()


def test_what_is_at_fault_is_named_and_nothing_is_written(labels, checkpoint, tmp_path, capsys):
    content = json.loads(labels.read_text())
    content["images"][0]["file_name"] = "gone.jpg"
    labels.write_text(json.dumps(content))
    assert masks.main([str(checkpoint), str(labels), str(tmp_path / "masked.json")]) == 2
    assert "1 × missing picture (first: gone.jpg)" in capsys.readouterr().err
    assert not (tmp_path / "masked.json").exists()


@pytest.mark.parametrize("probability, trusted", [(0.9, True), (0.7, False), (0.47, False), (0.1, False)])
def test_a_mask_of_which_the_network_is_unsure_is_none(probability, trusted):
    unsure = SimpleNamespace(width=320, height=320, engines={"trunk": lambda image: {}})
    unsure.mask_grids = lambda trunk, boxes, class_ids: np.full((1, 28, 28), probability, np.float32)
    found = masks.infer(unsure, np.zeros((100, 100, 3), np.uint8), np.array([10, 10, 90, 90], np.float32), 0)
    assert (found is not None) == trusted
