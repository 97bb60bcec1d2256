"""Joints against marks: the marks themselves, and a clip on which they can be measured."""

import itertools
import json

import numpy as np
import pytest

import edgemask
from edgemask.benchmarks import joints as benchmark
from edgemask.command import exit_code
from edgemask.joints import CENTRES, GUESSED, JOINTS
from edgemask.verbs.demo import pan_and_zoom

KNOWN = {*CENTRES, *(name for name, _, _ in JOINTS)}


def test_twenty_frames_are_marked_with_joints_we_know():
    marks = json.loads(benchmark.MARKS.read_text())["frames"]
    assert len(marks) == 20 and all(set(found) <= KNOWN and len(found) > 3 for found in marks.values())
    assert all(0 <= x < 768 and 0 <= y < 432 for found in marks.values() for x, y in found.values())


@pytest.fixture(scope="module")
def clip(tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    pan_and_zoom(astronaut, path)
    return path


def test_marks_where_the_joints_are_found_are_met_and_others_missed(clip, tmp_path, monkeypatch):
    model = edgemask.load(threads=1, dense=True)
    frames = list(itertools.islice(edgemask.open_camera(clip), 3))
    found = {frame.number: benchmark._best(model(frame.rgb)) for frame in frames}
    (places, height), marks = found[1], {}
    marks["1"] = {name: [x + 0.07 * height, y] for name, (x, y, _) in places.items()}
    marks["2"] = {**{name: [x + 0.5 * height, y] for name, (x, y, _) in found[2][0].items()}, "nowhere": [0, 0]}
    (tmp_path / "marks.json").write_text(json.dumps({"frames": marks}))
    monkeypatch.setattr(benchmark, "MARKS", tmp_path / "marks.json")
    monkeypatch.setattr(benchmark, "open_camera", lambda path: frames)
    result = benchmark.measure(clip, model)
    row = result["joints"]["all"]
    assert row["marked"] == row["found"] + 1 == len(marks["1"]) + len(marks["2"])
    assert row["within_10"] == pytest.approx(100 * len(marks["1"]) / row["marked"], abs=0.1)
    assert result["joints"]["nowhere"] == {"marked": 1, "found": 0, "median": None, "p90": None, "within_10": 0.0}
    sure = [places for frame in (1, 2) for places in found[frame][0].values() if places[2] > GUESSED]
    assert result["joints"]["sure"]["found"] == result["joints"]["sure"]["marked"] == len(sure)
    assert result["joints"]["tracked"]["within_10"] == row["within_10"]  # nobody turns in three frames
    still = {number: found[1] for number in range(3)}
    assert np.allclose(list(benchmark._tremble(still)), 0) and result["tremble"]["median"] > 0


def test_another_clip_is_one_sentence(clip, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["joints", str(clip)])
    assert exit_code(benchmark.main) == 2
    assert "has no frame 80" in capsys.readouterr().err
