"""A Pi's kernels give x86's bits, and a Pi's records are x86's but for the last bit of a float."""

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
# Every board and every release; what differs between the releases is Python and numpy.
CARDS = [("zero2w", "bookworm"), ("pi4", "trixie"), ("pi5", "bookworm"), ("pi5", "trixie")]
ENGINES = ("onnx", "tflite")


@pytest.mark.parametrize(("board", "release"), CARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_stage_gives_the_same_bits_for_the_same_input(checkout, astronaut, tmp_path, board, release, engine):
    # The inputs are ONNX Runtime's here, the same for both engines.
    given = stages.inputs(edgemask.load(engine="onnx", threads=1), astronaut)
    assert {stage: len(values) > 1 for stage, values in given.items()} == {"trunk": False, "box": True, "mask": True}
    np.savez(tmp_path / "in.npz", **given)
    pi = checkout.pi(board, release, tmp_path)
    pi.check("python", "-m", "edgemask.benchmarks.emulated.stages", engine, "/work/in.npz", "/work/out.npz")
    model = edgemask.load(engine=engine, threads=1)
    got, want = dict(np.load(tmp_path / "out.npz")), stages.outputs(model, given)
    assert set(got) == set(want) == set(model.tensors)
    wrong = {name: float((got[name] != want[name]).mean()) for name in want if not np.array_equal(got[name], want[name])}
    assert not wrong, f"{engine} on {board}: share of values that differ, by output"


@pytest.mark.parametrize(("board", "release"), CARDS)
def test_run_writes_the_same_records(checkout, work, board, release):
    compare(*both(checkout.pi(board, release, work), "small"), pixels=0.02, score=0.0002)


def test_run_on_photographs_writes_nearly_the_same_records(checkout, work):
    """On ARM OpenCV's resize rounds a few bytes in a hundred thousand to the other side, and the networks make more of it."""
    compare(*both(checkout.pi("pi4", "trixie", work), "photographs"), pixels=1, score=0.02)


@pytest.mark.parametrize(("board", "release"), CARDS)
def test_evaluate_measures_the_same_accuracy(checkout, work, board, release):
    """What is found here is the truth there."""
    model, images, annotations = edgemask.load(engine="tflite"), [], []
    for path in sorted((work / "small").iterdir()):
        found = model(pictures.read(path))
        images.append({"id": len(images) + 1, "file_name": path.name, "width": found.size[0], "height": found.size[1]})
        for one in found.coco():
            annotations.append({**one, "id": len(annotations) + 1, "image_id": len(images), "iscrowd": 0})
    truth = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (work / "small.json").write_text(json.dumps(truth))
    pi = checkout.pi(board, release, work)
    shutil.copy(SHIPPED, work)
    said = pi.check("edgemask", "evaluate", f"/work/{SHIPPED.name}", "--coco", "/work/small.json", "--limit", "8", "--engine", "all", "--json")
    for name, result in json.loads(said)["results"].items():
        assert result["pictures"] == 8 and result["box"]["AP"] > 99.9 and result["mask"]["AP"] > 99.9, name


def both(pi, folder):
    """The records of a folder of pictures, from there and from here."""
    pi.check("edgemask", "run", f"/work/{folder}", "--jsonl", "/work/there.jsonl")
    command = ["run", pi.work / folder, "--jsonl", pi.work / "here.jsonl"]
    subprocess.run([sys.executable, "-m", "edgemask", *command], check=True, capture_output=True)
    return ([json.loads(line) for line in (pi.work / name).read_text().splitlines()] for name in ("there.jsonl", "here.jsonl"))


def compare(there, here, pixels, score):
    assert len(there) == len(here) == 8 and all(record["detections"] for record in here)
    for one, other in zip(there, here, strict=True):
        assert (one["source"], one["size"], len(one["detections"])) == (other["source"], other["size"], len(other["detections"]))
        for found, wanted in zip(one["detections"], other["detections"], strict=True):
            np.testing.assert_allclose(found["bbox"], wanted["bbox"], rtol=0, atol=pixels)
            np.testing.assert_allclose(found["score"], wanted["score"], rtol=0, atol=score)
            assert overlap(found, wanted) >= 0.99


def overlap(one, other) -> float:
    """IoU of two records' masks."""
    first, second = (rle.decode(found["segmentation"]) for found in (one, other))
    return (first & second).sum() / max(1, (first | second).sum())
