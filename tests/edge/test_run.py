"""`edgemask run` and `edgemask demo` as a user calls them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import datetime

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from edgemask.cli import VERBS, main
from edgemask.sinks.names import Names
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
    assert record["size"] == [512, 512] and record["age_ms"] is record["capture_age_ms"] is None and record["dropped"] == 0
    assert datetime.fromisoformat(record["time"]).tzinfo and record["time"].endswith("Z")
    best = record["detections"][0]
    assert set(best) == {"bbox", "category_id", "category", "score", "mask_score", "track_id", "segmentation"}
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
    video = cv2.VideoCapture(str(tmp_path / "clip.overlay.webm"))
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
    assert said.count("/b.jpg") == 1 and "1 of 4 could not be read" in said
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
    for name in ("astronaut.overlay.jpg", "astronaut-clip.overlay.webm", "astronaut.jsonl", "astronaut-clip.jsonl"):
        assert (tmp_path / name).stat().st_size > 1000 and str(tmp_path / name) in said
    assert len(records(tmp_path / "astronaut-clip.jsonl")) == 60


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert f"example:\n  edgemask {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["run"], ["run", "x.jpg", "--score", "2"], ["run", "x.jpg", "--threads", "0"], ["evaluate", "x"],
     ["run", "x.jpg", "--engine", "coral"], ["run", ""], ["run", "99999999999"], ["run", "b\udcff.mp4"]],
)  # fmt: skip
def test_wrong_calls_are_one_sentence_and_exit_2(arguments, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("edgemask: ") and said.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--jsonl", "FOLDER/a.jsonl", "--jsonl", "FOLDER/../FOLDER/a.jsonl"], "a.jsonl is given twice"),
        (["--jsonl=-", "--jsonl=-"], "--jsonl - is given twice"),
        (["--jsonl=unix:s", "--jsonl=unix:s"], "--jsonl unix:s is given twice"),
        (["--max-size", "1M"], "--max-size is for records in a file: name one with --jsonl FILE"),
        (["--max-size", "1M", "--jsonl=-", "--jsonl=unix:s"], "--max-size is for records in a file"),
        (["--score", "0.04"], "--score 0.04 is below 0.05, the lowest that person-320.edgemask finds"),
    ],
)
def test_options_that_would_not_do_what_they_say_are_refused(tmp_path, monkeypatch, capsys, astronaut_path, options, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FOLDER").mkdir()
    assert main(["run", str(astronaut_path), *options]) == 2
    out, said = capsys.readouterr()
    assert sentence in said and said.count("\n") == 1 and not out and os.listdir(tmp_path / "FOLDER") == []


def test_progress_counts_up_to_the_frames_asked_for(clip, monkeypatch, capsys):
    monkeypatch.setattr("edgemask.progress.Line.due", lambda self: True)
    assert main(["run", str(clip), "--frames", "3"]) == 0
    assert re.findall(r"(\d+/\d+),", capsys.readouterr().err) == ["1/3", "2/3"]


def test_without_a_verb_the_verbs_are_listed(capsys):
    assert main([]) == 2
    said = capsys.readouterr().out
    assert all(f"  {verb} " in said for verb in VERBS)


def test_a_stopped_run_leaves_no_temporary_file(tmp_path, clip):
    for stop in (signal.SIGTERM, signal.SIGINT):
        command = [sys.executable, "-m", "edgemask", "run", str(clip), "--overlay", "--jsonl", "-", "--out", str(tmp_path)]
        # A shell's background job, and whatever it starts, ignores SIGINT: pytest may be one.
        process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        process.stdout.readline()  # the first record is out, the video begun
        process.send_signal(stop)
        process.communicate()
        assert process.returncode == (143 if stop is signal.SIGTERM else 130)
        assert os.listdir(tmp_path) == []


def test_a_reader_that_leaves_early_ends_the_run_quietly(tmp_path, clip):
    for command in (["run", str(clip), "--jsonl", "-", "--overlay", "--out", str(tmp_path)], ["inspect"], ["run", "--help"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "edgemask", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )  # fmt: skip
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 1 and "edgemask: " not in said and "Exception" not in said, said
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "edgemask", "inspect"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_the_source_is_never_overwritten(tmp_path, clip):
    copy = tmp_path / "c.mp4"
    shutil.copy(clip, copy)
    assert main(["run", str(copy), "--jsonl", str(copy)]) == 2
    assert copy.read_bytes() == clip.read_bytes()


def test_a_clip_that_was_cut_off_is_run_and_said(tmp_path, clip, capsys, caplog):
    """An index in front (as streaming services write it) survives when the end is lost."""
    whole = clip.read_bytes()
    index = whole.find(b"moov") - 4
    data = whole.find(b"mdat") - 4
    assert data < index
    front = whole[:data] + shifted(whole[index:], index - data, len(whole) - index) + whole[data:index]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(front[: len(front) * 2 // 3])
    assert main(["run", str(cut), "--jsonl", str(tmp_path / "out.jsonl")]) == 2
    assert 10 < len(records(tmp_path / "out.jsonl")) < 54
    assert "cut off or damaged" in caplog.text and "could not be read" in capsys.readouterr().err


def shifted(moov, _, by):
    """The index with its chunk offsets moved by the index's own length."""
    moov = bytearray(moov)
    at = moov.find(b"stco") + 8
    count = int.from_bytes(moov[at : at + 4], "big")
    for entry in range(at + 4, at + 4 + 4 * count, 4):
        moov[entry : entry + 4] = (int.from_bytes(moov[entry : entry + 4], "big") + by).to_bytes(4, "big")
    return bytes(moov)


def test_an_output_that_is_no_folder_is_one_sentence(tmp_path, astronaut_path, capsys):
    (tmp_path / "afile").write_text("x")
    for out in ("afile", "afile/sub", "x" * 300):
        assert main(["run", str(astronaut_path), "--overlay", "--out", str(tmp_path / out)]) == 2
        assert "cannot be written" in capsys.readouterr().err


def test_no_two_sources_share_an_output():
    names = Names("out", "overlay")
    sources = ["a.bmp", "a.jpg", "a.png", "a.png.jpg", "a.jpg.bmp", "b.png"]
    paths = [names(source, ".jpg") for source in sources]
    assert len(set(paths)) == len(sources) and str(paths[0]) == "out/a.overlay.jpg"
    assert [names(source, ".jpg") for source in sources] == paths


def test_the_maps_of_a_longer_clip_do_not_stay(tmp_path, clip):
    stale = tmp_path / "clip.semantic" / "000777.png"
    stale.parent.mkdir()
    stale.touch()
    assert main(["run", str(clip), "--semantic", "--out", str(tmp_path)]) == 0
    assert sorted(os.listdir(stale.parent)) == [f"{number:06}.png" for number in range(60)]


def test_an_unexpected_failure_is_a_sentence_and_exit_1_and_a_traceback_only_on_demand(monkeypatch, capsys, astronaut_path):
    monkeypatch.setattr("edgemask.verbs.run.source_from", lambda *_: 1 / 0)
    assert main(["run", str(astronaut_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        main(["run", str(astronaut_path), "--debug"])
