"""`edgemask capture` as a user calls it."""

import json
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edgemask import pictures
from edgemask.cameras import FakeCamera, Source
from edgemask.cli import main
from edgemask.perceptual import Novelty


def scene(seed):
    """A picture of large random patches."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), np.uint8)
    return cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)


@pytest.fixture
def camera(monkeypatch):
    """Stands in for the camera that the command line names; a test sets its pictures."""
    fake = FakeCamera(fps=500)
    monkeypatch.setattr("edgemask.verbs.capture.source_from", lambda options: Source(lambda: fake, live=True))
    return fake


def captured(folder, capsys, source=0, frames=128, patience=120):
    code = main(["capture", str(source), "-o", str(folder), "--json", "--frames", str(frames), "--patience", str(patience)])
    return code, json.loads(capsys.readouterr().out)


def test_only_different_pictures_are_kept_whole_and_lossless(tmp_path, camera, capsys):
    scenes = [scene(seed) for seed in range(5)]
    noise = np.random.default_rng(0)
    camera.pictures = [np.clip(rgb + noise.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8) for rgb in scenes for _ in range(20)]
    camera.frames, camera.fps = 100, None  # each as soon as it is asked for: none is skipped
    code, result = captured(tmp_path / "out", capsys)
    assert code == 0 and result["kept"] == 5 and result["seen"] == result["kept"] + result["near_duplicates"] == 100
    assert result["ended"] == "the source did" and len(os.listdir(tmp_path / "out")) == 5
    for path, rgb in zip(pictures.listing(tmp_path / "out"), scenes, strict=True):
        kept = pictures.read(path)
        assert any(np.array_equal(kept, given) for given in camera.pictures)
        assert np.abs(kept.astype(int) - rgb).mean() < 5


def test_it_ends_when_there_are_enough_and_goes_on_where_it_stopped(tmp_path, camera, capsys):
    camera.pictures = [scene(seed) for seed in range(8)]
    code, first = captured(tmp_path, capsys, frames=3)
    assert code == 0 and first["kept"] == 3 and first["ended"] == "3 different pictures are enough"
    code, second = captured(tmp_path, capsys, frames=5)
    assert code == 0 and second["kept"] == 5 and len(os.listdir(tmp_path)) == 8
    seen = Novelty()
    assert all(seen(pictures.read(path)) for path in pictures.listing(tmp_path))


def test_it_ends_when_nothing_new_comes(tmp_path, camera, capsys):
    camera.pictures = [scene(0), scene(1)]
    code, result = captured(tmp_path, capsys, patience=1)
    assert code == 0 and result["kept"] == 2 and result["ended"] == "nothing new came for 1 s"


def test_a_camera_that_vanishes_is_one_sentence_and_keeps_what_there_is(tmp_path, camera, capsys):
    camera.pictures, camera.vanish_at = [scene(0)], {5}
    assert main(["capture", "0", "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "edgemask: fake is gone\n" and len(os.listdir(tmp_path)) == 1


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, camera, capsys):
    (tmp_path / "file").write_text("x")
    assert main(["capture", "0", "-o", str(tmp_path / "file" / "sub")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_stopped_capture_says_what_it_has(tmp_path):
    program = """
import sys
from edgemask.cameras import FakeCamera, Source
from edgemask.cli import main
from edgemask.verbs import capture
capture.source_from = lambda options: Source(lambda: FakeCamera(fps=30), live=True)
sys.exit(main(["capture", "0", "-o", sys.argv[1]]))
"""
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("[0-9]*.png")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and "ended because it was stopped" in said
    assert all(pictures.read(path).shape == (480, 640, 3) for path in tmp_path.iterdir())


def test_a_folder_with_a_damaged_picture_is_said_and_exit_2_as_by_run(tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(3):
        cv2.imwrite(str(folder / f"{seed}.png"), scene(seed))
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:40])
    code, result = captured(tmp_path / "json", capsys, folder)
    assert code == 2 and result["kept"] == result["seen"] == 2 and result["unreadable"] == 1
    assert main(["capture", str(folder), "-o", str(tmp_path / "text")]) == 2
    assert "1 of 3 could not be read" in capsys.readouterr().err and len(os.listdir(tmp_path / "text")) == 2


def test_what_it_keeps_is_what_convert_reads(tmp_path, shared, capsys):
    from edgemask.calibration.pictures import choose

    code, result = captured(tmp_path, capsys, source=shared / "data" / "person" / "val", frames=20)
    assert code == 0 and result["kept"] == 20 <= result["seen"]
    assert len(choose(tmp_path, 128)) == 20
