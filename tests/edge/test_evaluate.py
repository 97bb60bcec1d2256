import json
from dataclasses import replace

import numpy as np
import pytest

from edgemask import failures, pictures, rle
from edgemask.cli import main
from edgemask.errors import DatasetError
from edgemask.evaluate import difference, evaluate


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
    result = evaluate(model, astronaut_set).summary
    assert result["box"]["AP"] == result["mask"]["AP"] == 100
    assert result["mask"]["APl"] == 100 and result["mask"]["APs"] == -1
    assert result["evaluator"].startswith("pycocotools") and result["pictures"] == 1


def test_half_the_mask_costs_what_it_should(model, astronaut_set):
    content = json.loads(astronaut_set.read_text())
    truth = rle.decode(content["annotations"][0]["segmentation"])
    truth[300:] = False
    content["annotations"][0]["segmentation"] = rle.encode(truth, (512, 512))
    astronaut_set.write_text(json.dumps(content))
    result = evaluate(model, astronaut_set).summary
    assert result["box"]["AP"] == 100 and result["mask"]["AP75"] == 0 and result["mask"]["AP"] < 40


def test_masks_are_ranked_by_how_sure_they_are(model, astronaut, astronaut_set, monkeypatch):
    """A wrong detection first by its score, last by its mask's."""
    right = model(astronaut)[:1]
    wrong = replace(right, boxes=right.boxes / 4, grids=np.full_like(right.grids, 0.5))
    found = (replace(each, scores=np.float32([score])) for each, score in ((wrong, 0.9), (right, 0.8)))
    names = ("boxes", "scores", "class_ids", "grids")
    both = replace(right, **dict(zip(names, map(np.concatenate, zip(*([getattr(one, name) for name in names] for one in found))))))
    monkeypatch.setattr(type(model), "__call__", lambda *_: both)
    result = evaluate(model, astronaut_set).summary
    assert result["box"]["AP"] == pytest.approx(50, abs=1) and result["mask"]["AP"] == 100


def test_the_pictures_with_most_faults_are_drawn(model, astronaut, astronaut_set, tmp_path, capsys):
    content, sheet = json.loads(astronaut_set.read_text()), tmp_path / "worst.jpg"
    arguments = ["evaluate", str(model.bundle.path), "--coco", str(astronaut_set), "--worst", str(sheet)]
    seen = [one for one in model(astronaut).coco() if one["mask_score"] >= 0.5]
    true = [{**content["annotations"][0], "id": index + 1, "segmentation": one["segmentation"], "bbox": one["bbox"]}
            for index, one in enumerate(seen)]  # fmt: skip
    astronaut_set.write_text(json.dumps({**content, "annotations": true}))
    assert main(arguments) == 0 and pictures.read(sheet).max() < 30  # nothing is wrong
    corner = np.zeros((512, 512), bool)
    corner[400:480, 20:120] = True
    other = {**content["annotations"][0], "id": 2, "segmentation": rle.encode(corner, (512, 512)), "bbox": [20, 400, 100, 80]}
    astronaut_set.write_text(json.dumps({**content, "annotations": [other]}))
    (found,) = failures.faults(evaluate(model, astronaut_set))
    assert len(found.missed) == 1 and found.false == (model(astronaut).mask_scores >= 0.5).sum()
    assert main(arguments) == 0
    drawn = pictures.read(sheet)
    assert drawn.shape == (344, 1280, 3)
    outline = drawn[round(440 * 320 / 512), round(20 * 320 / 512) - 2 : round(20 * 320 / 512) + 3]
    assert outline.min(axis=1).max() > 200
    assert main([*arguments, "--dense"]) == 2 and "--worst" in capsys.readouterr().err


def without(content, section, key):
    return {section: [{k: v for k, v in entry.items() if k != key} for entry in content[section]]}


def test_sets_that_cannot_be_measured_against_are_one_sentence_before_any_work(model, astronaut_set, capsys):
    arguments = ["evaluate", str(model.bundle.path), "--coco", str(astronaut_set)]
    content = json.loads(astronaut_set.read_text())
    changes = [
        {"categories": [{"id": 9, "name": "cat"}]},
        {"annotations": []},
        {"images": []},
        {"images": [{"id": 5, "file_name": "no.jpg", "width": 1, "height": 1}]},
        {"images": [{"id": 4, "file_name": "astronaut.jpg", "width": 1, "height": 1}]},
        {"images": [7]},
        {"annotations": [{**content["annotations"][0], "bbox": [1, 2, 3]}]},
        {"annotations": [{**content["annotations"][0], "segmentation": "x"}]},
        *(without(content, "images", key) for key in ("id", "file_name", "width", "height")),
        *(without(content, "annotations", key) for key in ("image_id", "category_id", "bbox", "segmentation")),
        *(without(content, "categories", key) for key in ("id", "name")),
    ]
    for change in changes:
        astronaut_set.write_text(json.dumps({**content, **change}))
        assert main(arguments) == 2, change
        said = capsys.readouterr().err.strip().splitlines()
        assert len([line for line in said if line.startswith("edgemask: ")]) == 1
    astronaut_set.write_text("[" * 100_000)
    with pytest.raises(DatasetError):
        evaluate(model, astronaut_set)


def test_what_pycocotools_needs_and_exporters_leave_out_is_filled_in(model, astronaut_set):
    content = json.loads(astronaut_set.read_text())
    for key in ("id", "iscrowd", "area"):
        del content["annotations"][0][key]
    astronaut_set.write_text(json.dumps(content))
    assert evaluate(model, astronaut_set).summary["mask"]["AP"] == 100
    content["annotations"][0]["id"] = 0  # which pycocotools takes for "no match"
    astronaut_set.write_text(json.dumps(content))
    assert evaluate(model, astronaut_set).summary["mask"]["AP"] == 100


def test_two_bundles_of_one_name_are_both_shown(model, astronaut_set, tmp_path, capsys):
    paths = [tmp_path / folder / "same.edgemask" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(model.bundle.path.read_bytes())
    assert main(["evaluate", *map(str, paths), "--coco", str(astronaut_set), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["results"]) == 2
    assert all(gap["difference"] == gap["low"] == gap["high"] == 0 for gap in found["differences"])


def test_float_without_its_bundle_says_how_to_make_it(model, astronaut_set, tmp_path, capsys):
    alone = tmp_path / "alone.edgemask"
    alone.write_bytes(model.bundle.path.read_bytes())
    assert main(["evaluate", str(alone), "--coco", str(astronaut_set), "--float"]) == 2
    assert "edgemask convert CHECKPOINT --float -o" in capsys.readouterr().err


def test_accuracy_on_real_people_float_and_both_engines_side_by_side(converted, shared, capsys):
    """person_v8.md says 32.1 mask AP for float at 320 letterbox."""
    person = shared / "data" / "person"
    arguments = ["--coco", str(person / "val.json"), "--images", str(person / "val"), "--float", "--engine", "all"]
    assert main(["evaluate", str(converted[0]), *arguments, "--json", "--bound", "0.3"]) == 0
    found = json.loads(capsys.readouterr().out)
    exact, onnx, tflite = found["results"].values()
    assert [one["engine"] for one in (exact, onnx, tflite)] == ["onnx", "onnx", "tflite"]
    assert exact["pictures"] == 192 and exact["mask"]["AP"] == pytest.approx(32.1, abs=0.3)
    for kind in ("box", "mask"):
        assert onnx[kind] == tflite[kind]
        assert onnx[kind]["AP"] >= exact[kind]["AP"] - 0.3
    for gap in found["differences"]:
        assert gap["low"] <= gap["difference"] <= gap["high"]
        whole = found["results"][gap["one"]][gap["kind"]]["AP"] - found["results"][gap["other"]][gap["kind"]]["AP"]
        assert gap["difference"] == pytest.approx(whole, abs=0.02)


def test_a_difference_beyond_the_bound_fails(model, astronaut_set, monkeypatch):
    monkeypatch.setattr("edgemask.verbs.evaluate.difference", lambda *_: (-1.0, -1.4, -0.6))
    arguments = ["evaluate", str(model.bundle.path), str(model.bundle.path), "--coco", str(astronaut_set)]
    assert main([*arguments, "--bound", "0.5"]) == 1
    assert main([*arguments, "--bound", "0.7"]) == 0


def test_the_interval_of_a_real_difference_excludes_zero(converted, shared):
    import edgemask

    annotations = shared / "data" / "person" / "val.json"
    good = edgemask.load(converted[0])
    poor = edgemask.load(converted[0])
    poor.limits = {**poor.limits, "score": 0.9}
    one, other = (evaluate(model, annotations, limit=80) for model in (poor, good))
    gap, low, high = difference(one, other, "mask")
    assert gap < -2 and low <= gap <= high < 0
