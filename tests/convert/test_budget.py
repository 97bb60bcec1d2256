"""Accuracy under a budget: last layers in float, and sets that cannot meet it."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import edgemask  # noqa: E402
from edgemask.calibration.calibrate import Technique  # noqa: E402
from edgemask.cli import main  # noqa: E402
from edgemask.convert.conversion import Conversion  # noqa: E402
from edgemask.engines.litert import LiteRtEngine  # noqa: E402
from edgemask.evaluate import evaluate  # noqa: E402
from edgemask.manifest import STAGES  # noqa: E402

pytestmark = pytest.mark.calibration
BUDGET = 20.0  # points: the shipped bundle loses 19 against float's own findings, one calibrated on blurred pictures 26


def own_truth(path, pictures, score=0.0):
    """A COCO file whose truth is what the float model finds, so that its AP is near 100 and any drop is int8's."""
    model = edgemask.load(path, threads=1)
    content = {"images": [], "annotations": [], "categories": []}
    content["categories"] = [{"id": index + 1, "name": name} for index, name in enumerate(model.bundle.classes)]
    for image_id, picture in enumerate(pictures):
        found = model(cv2.imread(str(picture))[..., ::-1]).above(score)
        size = {"width": found.size[0], "height": found.size[1]}
        content["images"].append({"id": image_id, "file_name": str(picture), **size})
        for record, mask in zip(found.coco(), found.masks(), strict=True):
            content["annotations"].append(
                {**{key: record[key] for key in ("bbox", "category_id", "segmentation")}, "iscrowd": 0,
                 "area": int(mask.sum()), "image_id": image_id, "id": len(content["annotations"]) + 1}
            )  # fmt: skip
    return content


@pytest.fixture(scope="module")
def budget(three_classes, tmp_path_factory):
    """(The arguments that convert the K = 3 model and measure it on its own float truth, a folder)."""
    folder, out = three_classes[0].parent, tmp_path_factory.mktemp("budget")
    (out / "val.json").write_text(json.dumps(own_truth(three_classes[1], sorted((folder / "set").iterdir())[:2])))
    arguments = ["convert", str(folder / "three.safetensors"), "--calibration", str(folder / "set"), "--input", "320x192"]
    return [*arguments, "--val", str(out / "val.json")], out


def test_a_budget_that_cannot_be_met_fails_with_the_best_reached(budget, capsys):
    arguments, folder = budget
    assert main([*arguments, "--max-drop", "0", "-o", str(folder / "no.edgemask")]) == 1
    said = capsys.readouterr()
    assert "more than --max-drop 0.0" in said.err and "best reached" in said.err
    assert said.out.count(" in float: worst AP drop ") == 5 and "times the time on tflite" in said.out
    assert not list(folder.glob("*.edgemask*"))


def test_last_layers_in_float_are_so_in_both_engines(three_classes, astronaut):
    folder = three_classes[0].parent
    with Conversion(folder / "three.safetensors", 320, 192) as conversion:
        conversion.observe(folder / "set")
        conversion.quantise(dict.fromkeys(STAGES, Technique(False, False, False)))
        last = conversion.quantiser.last_layers(conversion.plan)
        assert sorted(last)[:3] == [("box", ("box_deltas",)), ("box", ("box_scores",)), ("mask", ("mask_logits",))]
        assert [len(outputs) for stage, outputs in last if stage == "trunk"] == [4, 4]
        whole, plan = conversion.decibels(), dict(conversion.plan)
        for stage, outputs in last:
            plan[stage] = replace(plan[stage], floats=plan[stage].floats + outputs)
        conversion.quantise(plan)
        mixed, found, (_, path) = conversion.decibels(), conversion.agreed, conversion.write(folder / "mixed.edgemask")
    assert all(mixed[stage] > whole[stage] for stage in ("box", "mask"))
    for name, row in found.items():
        assert row["equal"] == 1 if name in ("p3", "p4", "p5") else row["steps"] < 1e-4, name
    onnx, tflite = (edgemask.load(path, engine=engine, threads=1) for engine in ("onnx", "tflite"))
    for stage in STAGES:
        for model in (onnx, tflite):
            dtypes = {info.name: info.dtype for info in model.bundle.tensors(stage, model.engine)[1]}
            assert all((dtype == "float32") == (name not in ("p3", "p4", "p5")) for name, dtype in dtypes.items())
        taken, total, partitions = LiteRtEngine(tflite.bundle.read(stage, "tflite")).delegated()
        assert taken == total and partitions == 1
    one, other = onnx(astronaut), tflite(astronaut)
    assert len(one) == len(other) > 0
    np.testing.assert_allclose(one.boxes[0], other.boxes[0], atol=0.01)
    np.testing.assert_allclose(one.grids[0], other.grids[0], atol=1e-3)


def test_a_set_unlike_the_world_fails_the_budget_and_writes_nothing(checkpoint, converted, shared, tmp_path, capsys):
    """Calibrated on pictures in which nothing has an edge; the shipped bundle keeps the same budget."""
    person, few, blurred = shared / "data" / "person", tmp_path / "few.json", tmp_path / "blurred"
    few.write_text(json.dumps(own_truth(converted[1], sorted((person / "val").iterdir())[:24], 0.3)))
    blurred.mkdir()
    for image in json.loads((person / "train.json").read_text())["images"][::500]:
        picture = cv2.imread(str(person / "train" / image["file_name"]))
        cv2.imwrite(str(blurred / image["file_name"]), cv2.GaussianBlur(picture, (0, 0), len(picture) / 20))
    shipped = evaluate(edgemask.load(converted[0]), few).summary
    assert min(shipped[kind]["AP"] for kind in ("box", "mask")) > 100 - BUDGET
    out, arguments = tmp_path / "x.edgemask", ["--calibration", str(blurred), "--val", str(few)]
    capsys.readouterr()
    assert main(["convert", str(checkpoint), *arguments, "--max-drop", str(BUDGET), "-o", str(out)]) == 1
    said = capsys.readouterr().err
    assert f"more than --max-drop {BUDGET}" in said and "best reached" in said and not out.exists()


def test_a_wide_budget_keeps_all_in_int8_and_the_report_says_what_each_step_cost(budget):
    arguments, folder = budget
    out = folder / "report.html"
    assert main([*arguments, "--max-drop", "100", "--report", str(out), "-o", str(folder / "three.edgemask")]) == 0
    stages = edgemask.Bundle(folder / "three.edgemask").manifest["stages"].values()
    assert all(one[engine]["kernels"]["float"] == {} for one in stages for engine in ("onnx", "tflite"))
    report = json.loads(out.with_suffix(".json").read_text())
    assert len(report["sensitivity"]["trunk"]) == 61 and len(report["sensitivity"]["mask"]) == 12
    assert all(one["alone_db"] > 0 for one in report["sensitivity"]["trunk"])
    assert len(report["techniques"]) == 6 and [one["float"] for one in report["choices"]] == [[]]
    assert set(report["accuracy"]) == {"float", "onnx", "tflite"} and report["accuracy"]["float"]["box"]["AP"] > 99
    plain, careful = report["techniques"][0], report["techniques"][-1]
    assert plain["technique"] == "min-max ranges" and careful["sqnr_db"]["trunk"] > plain["sqnr_db"]["trunk"]
    assert len(report["agreement"]) == 14 and report["worst"] and "near-duplicates" in report["calibration"]["chosen"]
    page = out.read_text()
    assert page.startswith("<!doctype html>") and "<svg" in page and "data:image/jpeg;base64" in page
    assert "http" not in page  # self-contained
