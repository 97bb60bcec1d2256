import json

import pytest

from edgemask import rle
from edgemask.cli import main
from edgemask.errors import DatasetError
from edgemask.evaluate import evaluate


@pytest.fixture
def astronaut_set(tmp_path, astronaut_path, model, astronaut):
    """A COCO set whose truth is what the model finds, so that AP must be 100."""
    best = model(astronaut)[:1]
    mask = best.coco()[0]["segmentation"]
    annotation = {
        "id": 1, "image_id": 5, "category_id": 9, "iscrowd": 0, "segmentation": mask,
        "area": int(rle.decode(mask).sum()), "bbox": best.coco()[0]["bbox"],
    }  # fmt: skip
    content = {
        "images": [{"id": 5, "file_name": "astronaut.jpg", "width": 512, "height": 512}],
        "categories": [{"id": 9, "name": "person"}], "annotations": [annotation],
    }  # fmt: skip
    path = tmp_path / "set.json"
    path.write_text(json.dumps(content))
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "astronaut.jpg").write_bytes(astronaut_path.read_bytes())
    return path


def test_truth_that_is_the_models_own_answer_scores_100(model, astronaut_set):
    result = evaluate(model, astronaut_set)
    assert result["box"]["AP"] == result["mask"]["AP"] == 100
    assert result["mask"]["APl"] == 100 and result["mask"]["APs"] == -1
    assert result["evaluator"].startswith("pycocotools") and result["pictures"] == 1


def test_half_the_mask_costs_what_it_should(model, astronaut_set):
    content = json.loads(astronaut_set.read_text())
    truth = rle.decode(content["annotations"][0]["segmentation"])
    truth[300:] = False
    content["annotations"][0]["segmentation"] = rle.encode(truth, (512, 512))
    astronaut_set.write_text(json.dumps(content))
    result = evaluate(model, astronaut_set)
    assert result["box"]["AP"] == 100 and result["mask"]["AP75"] == 0 and result["mask"]["AP"] < 40


def test_a_set_without_the_class_a_set_without_truth_and_a_missing_picture(model, astronaut_set, capsys):
    arguments = ["evaluate", str(model.bundle.path), "--coco", str(astronaut_set)]
    content = json.loads(astronaut_set.read_text())
    for change in (
        {"categories": [{"id": 9, "name": "cat"}]},
        {"annotations": []},
        {"images": [{"id": 5, "file_name": "no.jpg", "width": 1, "height": 1}]},
    ):
        astronaut_set.write_text(json.dumps({**content, **change}))
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("edgemask: ") == 1
    astronaut_set.write_text("{")
    with pytest.raises(DatasetError):
        evaluate(model, astronaut_set)


def test_float_without_its_bundle_says_how_to_make_it(model, astronaut_set, tmp_path, capsys):
    alone = tmp_path / "alone.edgemask"
    alone.write_bytes(model.bundle.path.read_bytes())
    assert main(["evaluate", str(alone), "--coco", str(astronaut_set), "--float"]) == 2
    assert "edgemask convert CHECKPOINT --float -o" in capsys.readouterr().err


def test_accuracy_on_real_people_float_and_int8_side_by_side(converted, shared, capsys):
    """person_v1.md says 20.9 mask AP for float at 320 letterbox."""
    person = shared / "data" / "person"
    arguments = ["--coco", str(person / "val.json"), "--images", str(person / "val"), "--float"]
    assert main(["evaluate", str(converted[0]), *arguments, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    int8, exact = results["person int8"], results["person-float float"]
    assert int8["pictures"] == exact["pictures"] == 192
    assert exact["mask"]["AP"] == pytest.approx(20.9, abs=0.3)
    assert int8["mask"]["AP"] >= exact["mask"]["AP"] - 1.5
    assert int8["box"]["AP"] >= exact["box"]["AP"] - 1.5
