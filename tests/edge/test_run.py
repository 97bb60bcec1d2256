"""`edgemask run` and `edgemask demo` as a user calls them."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from edgemask.cli import VERBS, main
from edgemask.verbs.demo import pan_and_zoom


@pytest.fixture(scope="module")
def clip(tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    pan_and_zoom(astronaut, path)
    return path


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_picture(tmp_path, astronaut_path):
    arguments = ["run", str(astronaut_path), "--jsonl", str(tmp_path / "out.jsonl"), "--overlay", "--semantic"]
    assert main([*arguments, "--out", str(tmp_path / "seen")]) == 0
    (record,) = records(tmp_path / "out.jsonl")
    assert record["schema"] == "edgemask.frame/1" and record["source"] == "astronaut.jpg" and record["frame"] == 0
    assert record["size"] == [512, 512] and record["age_ms"] is None and record["dropped"] == 0
    assert datetime.fromisoformat(record["time"]).tzinfo and record["time"].endswith("Z")
    best = record["detections"][0]
    assert set(best) == {"bbox", "category_id", "category", "score", "track_id", "segmentation"}
    assert best["score"] > 0.9 and all(0.5 <= one["score"] <= 1 for one in record["detections"])
    semantic = cv2.imread(str(tmp_path / "seen" / "astronaut.semantic.png"), cv2.IMREAD_UNCHANGED)
    union = np.any([coco_mask.decode(one["segmentation"]) for one in record["detections"]], axis=0)
    np.testing.assert_array_equal(semantic > 0, union)
    overlay = cv2.imread(str(tmp_path / "seen" / "astronaut.overlay.jpg"))
    plain = cv2.imread(str(astronaut_path))
    changed = np.abs(overlay.astype(int) - plain).max(axis=2) > 40
    assert changed[union].mean() > 0.5 > changed[~union].mean() * 4


def test_every_frame_of_a_clip_has_a_record_and_lands_in_the_video(tmp_path, clip):
    assert main(["run", str(clip), "--jsonl", str(tmp_path / "out.jsonl"), "--overlay", "--out", str(tmp_path)]) == 0
    found = records(tmp_path / "out.jsonl")
    assert [record["frame"] for record in found] == list(range(60))
    assert sum(bool(record["detections"]) for record in found) > 55
    video = cv2.VideoCapture(str(tmp_path / "clip.overlay.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 60 and video.get(cv2.CAP_PROP_FRAME_WIDTH) == 480


def test_records_go_to_standard_output_and_load_in_pycocotools(astronaut_path):
    done = subprocess.run(
        [sys.executable, "-m", "edgemask", "run", str(astronaut_path), "--score", "0.05"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 7, "width": 512, "height": 512}],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [],
    }
    truth.createIndex()
    results = truth.loadRes([{"image_id": 7, **detection} for detection in record["detections"]])
    assert len(results.anns) == len(record["detections"]) > 1


def test_a_folder_with_a_corrupt_picture_goes_on_and_says_so(tmp_path, astronaut_path, capfd):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.jpg", "c.png"):
        cv2.imwrite(str(folder / name), cv2.imread(str(astronaut_path)))
    (folder / "b.jpg").write_bytes(astronaut_path.read_bytes()[:30])
    shutil.copy(astronaut_path, folder / "a.jpeg")
    code = subprocess.run(
        [sys.executable, "-m", "edgemask", "run", str(folder), "--jsonl", str(tmp_path / "out.jsonl"),
         "--overlay", "--out", str(tmp_path / "seen")]
    ).returncode  # fmt: skip
    assert code == 2
    assert [record["source"] for record in records(tmp_path / "out.jsonl")] == ["a.jpeg", "a.jpg", "c.png"]
    said = capfd.readouterr().err
    assert said.count("b.jpg") == 1 and "1 of 4 pictures" in said
    # a.jpeg and a.jpg share a stem: neither overwrites the other.
    assert sorted(os.listdir(tmp_path / "seen")) == ["a.jpg.overlay.jpg", "a.overlay.jpg", "c.overlay.jpg"]


def bad_sources(folder):
    (folder / "notes.txt").write_text("hello")
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "empty").mkdir()
    (folder / "broken").mkdir()
    (folder / "broken" / "x.jpg").write_text("not a picture")
    (folder / "cut.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(300))
    return ["notes.txt", "text.jpg", "empty.png", "empty", "broken", "cut.mp4", "missing.jpg"]


def test_what_is_no_source_is_one_sentence_and_leaves_nothing_behind(tmp_path):
    for name in bad_sources(tmp_path):
        out = tmp_path / "out"
        done = subprocess.run(
            [sys.executable, "-m", "edgemask", "run", str(tmp_path / name), "--jsonl", str(out / "out.jsonl"),
             "--overlay", "--semantic", "--out", str(out)], capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2, name
        said = [line for line in done.stderr.splitlines() if line.startswith("edgemask: ")]
        assert "Traceback" not in done.stderr and 1 <= len(said) <= 2, done.stderr
        assert not out.exists() or not os.listdir(out), name


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path, clip, astronaut_path):
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)); "
    program = limit + "from edgemask.cli import main; sys.exit(main(sys.argv[1:]))"
    for source, option in ((clip, "--jsonl"), (clip, "--overlay"), (astronaut_path, "--overlay")):
        out = tmp_path / option.strip("-") / source.stem
        extra = ["--jsonl", str(out / "out.jsonl")] if option == "--jsonl" else ["--overlay", "--out", str(out)]
        done = subprocess.run([sys.executable, "-c", program, "run", str(source), *extra], capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert re.search(r"edgemask: .*cannot be written", done.stderr) and "Traceback" not in done.stderr
        if option == "--overlay":
            assert os.listdir(out) == []
        else:
            assert 0 < len(records(out / "out.jsonl")) < 60  # whole lines only
    full = subprocess.run([sys.executable, "-m", "edgemask", "run", str(astronaut_path), "--jsonl", "/dev/full"])
    assert full.returncode == 2


def test_demo_shows_masks_and_tells_where(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    for name in ("astronaut.overlay.jpg", "clip.overlay.mp4", "astronaut.jsonl", "clip.jsonl"):
        assert (tmp_path / name).stat().st_size > 1000 and str(tmp_path / name) in said
    assert len(records(tmp_path / "clip.jsonl")) == 60


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0 and f"example:\n  edgemask {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["run"], ["run", "x.jpg", "--score", "2"], ["run", "x.jpg", "--threads", "0"], ["evaluate", "x"]],
)
def test_wrong_calls_exit_2(arguments, capsys):
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2


def test_an_unexpected_failure_is_a_sentence_and_exit_1_and_a_traceback_only_on_demand(monkeypatch, capsys, astronaut_path):
    monkeypatch.setattr("edgemask.verbs.run.open_camera", lambda source: 1 / 0)
    assert main(["run", str(astronaut_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        main(["run", str(astronaut_path), "--debug"])
