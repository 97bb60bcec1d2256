"""A Pi's kernels give x86's bits, and a Pi's records are x86's."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import edgemask
from edgemask import pictures, rle
from edgemask.benchmarks.emulated import stages
from edgemask.bundle import SHIPPED

pytestmark = pytest.mark.pi
# What differs between the releases is Python and numpy.
CARDS = [("zero2w", "bookworm"), ("pi4", "trixie"), ("pi5", "trixie")]
ENGINES = ("onnx", "tflite")


@pytest.mark.parametrize(("board", "release"), CARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_stage_gives_the_same_bits_for_the_same_input(checkout, astronaut, tmp_path, board, release, engine):
    # The inputs are ONNX Runtime's here, the same for both engines.
    given = stages.inputs(edgemask.load(engine="onnx", threads=1, dense=True), astronaut)
    several = {"trunk": False, "box": True, "mask": True, "dense": True}
    assert {stage: len(values) > 1 for stage, values in given.items()} == several
    np.savez(tmp_path / "in.npz", **given)
    pi = checkout.pi(board, release, tmp_path)
    pi.check("python", "-m", "edgemask.benchmarks.emulated.stages", engine, "/srv/in.npz", "/srv/out.npz")
    model = edgemask.load(engine=engine, threads=1, dense=True)
    got, want = dict(np.load(tmp_path / "out.npz")), stages.outputs(model, given)
    assert set(got) == set(want) == set(model.tensors)
    wrong = {name: float((got[name] != want[name]).mean()) for name in want if not np.array_equal(got[name], want[name])}
    assert not wrong, f"{engine} on {board}: share of values that differ, by output"


@pytest.mark.parametrize(("board", "release"), CARDS)
def test_run_writes_the_same_records(checkout, work, board, release):
    """Boxes and scores to the last digit; the edge of a mask may hang on the last bit of a float."""
    checkout.pi(board, release, work).check("edgemask", "run", "/srv/pictures", "--jsonl", "/srv/there.jsonl")
    command = ["run", work / "pictures", "--jsonl", work / "here.jsonl"]
    subprocess.run([sys.executable, "-m", "edgemask", *command], check=True, capture_output=True)
    texts = ((work / name).read_text() for name in ("there.jsonl", "here.jsonl"))
    there, here = ([json.loads(line) for line in text.splitlines()] for text in texts)
    assert len(there) == len(here) == 8 and all(record["detections"] for record in here)
    for one, other in zip(there, here, strict=True):
        assert one["source"] == other["source"] and one["size"] == other["size"]
        assert len(one["detections"]) == len(other["detections"])
        for found, wanted in zip(one["detections"], other["detections"], strict=True):
            assert found["bbox"] == wanted["bbox"] and found["score"] == wanted["score"]
            assert overlap(found, wanted) >= 0.99


@pytest.mark.parametrize(("board", "release"), CARDS)
def test_evaluate_measures_the_same_accuracy(checkout, work, board, release):
    """What is found here is the truth there."""
    model, images, annotations = edgemask.load(engine="tflite"), [], []
    for path in sorted((work / "pictures").iterdir()):
        found = model(pictures.read(path))
        images.append({"id": len(images) + 1, "file_name": path.name, "width": found.size[0], "height": found.size[1]})
        for one in found.coco():
            annotations.append({**one, "id": len(annotations) + 1, "image_id": len(images), "iscrowd": 0})
    truth = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (work / "pictures.json").write_text(json.dumps(truth))
    shutil.copy(SHIPPED, work / "person.edgemask")
    pi, options = checkout.pi(board, release, work), ("--coco", "/srv/pictures.json", "--limit", "8", "--json")
    (result,) = json.loads(pi.check("edgemask", "evaluate", "/srv/person.edgemask", *options))["results"].values()
    assert result["pictures"] == 8 and result["engine"] == "tflite"
    assert result["box"]["AP"] > 99 and result["mask"]["AP"] > 99


def overlap(one, other) -> float:
    """IoU of two records' masks."""
    first, second = (rle.decode(found["segmentation"]) for found in (one, other))
    return (first & second).sum() / max(1, (first | second).sum())
