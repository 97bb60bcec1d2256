"""Sinks: whole lines whatever happens, videos that play, readers that hold nobody up."""

import dataclasses
import json
import os
import re
import socket
import threading
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from edgemask.cameras import Frame
from edgemask.cli import main
from edgemask.errors import OptionError, OutputError
from edgemask.sinks.jsonl import JsonLines
from edgemask.sinks.overlay import Overlays
from edgemask.sinks.recording import Recording
from edgemask.sinks.server import JsonServer


@pytest.fixture(scope="module")
def people(astronaut):
    import edgemask

    return edgemask.load(threads=1)(astronaut).above(0.5)


@pytest.fixture
def frame(astronaut):
    return Frame(astronaut, "cam", 0, 15.0, datetime(2026, 11, 24, 10, tzinfo=UTC), stamp=10**9)


def numbered(frame, number):
    return dataclasses.replace(frame, number=number)


def records(path):
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line)["frame"] for line in content.splitlines()]


@pytest.mark.parametrize("left", [b'{"frame": 0}\n{"half', b'{"half', b"", b'{"frame": 0}\n' + b"\0" * 70_000])
def test_half_a_line_from_a_power_cut_is_cut_off(tmp_path, frame, people, left):
    path = tmp_path / "masks.jsonl"
    path.write_bytes(left)
    with JsonLines(path, append=True) as sink:
        sink.write(numbered(frame, 7), people)
    assert records(path) == ([0, 7] if b"\n" in left else [7])


def test_a_clip_replaces_and_a_camera_appends(tmp_path, frame, people):
    path = tmp_path / "masks.jsonl"
    for append, expected in ((False, [0]), (True, [0, 0]), (False, [0])):
        with JsonLines(path, append=append) as sink:
            sink.write(frame, people)
        assert records(path) == expected


def test_files_are_rotated_between_lines_and_five_old_ones_stay(tmp_path, frame, people):
    path = tmp_path / "masks.jsonl"
    with JsonLines(path, append=True, rotate=6000) as sink:
        sink.write(numbered(frame, 0), people)
        fit = 6000 // path.stat().st_size
        for number in range(1, 8 * fit):
            sink.write(numbered(frame, number), people)
    assert fit >= 2
    names = ["masks.jsonl.5", "masks.jsonl.4", "masks.jsonl.3", "masks.jsonl.2", "masks.jsonl.1", "masks.jsonl"]
    assert sorted(os.listdir(tmp_path)) == sorted(names)
    kept = [number for name in names for number in records(tmp_path / name)]
    assert kept == list(range(kept[0], 8 * fit)) and kept[0] > 0
    assert all((tmp_path / name).stat().st_size <= 6000 for name in names)


def lines_of(client):
    """What a client reads until the server closes, as frame numbers."""
    got = []
    with client.makefile("rb") as lines:
        for line in lines:
            got.append(json.loads(line)["frame"])
    return got


def connect(server, kind, path):
    if kind == "unix":
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        return client
    return socket.create_connection(server.listener.getsockname()[:2])


@pytest.mark.parametrize("kind", ["unix", "tcp", "tcp6"])
def test_every_reader_gets_whole_lines_from_when_it_connects(tmp_path, frame, people, kind):
    path = str(tmp_path / "s")
    address = {"unix": f"unix:{path}", "tcp": "tcp:127.0.0.1:0", "tcp6": "tcp:[::1]:0"}[kind]
    with JsonServer(address) as server:
        server.write(frame, people)
        with connect(server, kind, path) as first:
            server.write(numbered(frame, 1), people)
            with connect(server, kind, path) as second:
                server.write(numbered(frame, 2), people)
                second.shutdown(socket.SHUT_RDWR)
            server.write(numbered(frame, 3), people)
            server.write(numbered(frame, 4), people)
            server.__exit__()
            assert lines_of(first) == [1, 2, 3, 4]
    assert not os.path.exists(path)


def test_a_reader_that_stalls_is_dropped_and_the_others_get_all(tmp_path, frame, people, caplog):
    path = str(tmp_path / "s")
    with JsonServer(f"unix:{path}") as server:
        server.BACKLOG = 50_000
        stalled, reader, got = connect(server, "unix", path), connect(server, "unix", path), []
        thread = threading.Thread(target=lambda: got.extend(lines_of(reader)))
        thread.start()
        for number in range(1000):
            server.write(numbered(frame, number), people)
            if len(server.readers) == 1:
                break
        server.__exit__()
        thread.join()
    assert caplog.messages == [f"a reader of unix:{path} stalled and was dropped"]
    assert got == list(range(number + 1))
    stalled.close()
    reader.close()


def test_a_socket_left_by_a_killed_run_is_taken_over_and_one_in_use_is_not(tmp_path, frame, people):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
        killed.listen()
    with JsonServer(f"unix:{path}") as server:
        with pytest.raises(OutputError, match="cannot listen: Address already in use"):
            JsonServer(f"unix:{path}").__enter__()
        with connect(server, "unix", str(path)):
            server.write(frame, people)
            assert len(server.readers) == 1
    path.write_text("mine")
    with pytest.raises(OutputError, match="cannot listen"):
        JsonServer(f"unix:{path}").__enter__()
    assert path.read_text() == "mine"


@pytest.mark.parametrize("address", ["tcp:7000", "tcp:127.0.0.1:", "tcp:host:99999", "tcp:", "unix:"])
def test_an_address_that_is_none_is_one_sentence(address, capsys, astronaut_path):
    with pytest.raises(OptionError):
        JsonServer(address)
    assert main(["run", str(astronaut_path), "--jsonl", address]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"edgemask: {address} is not ")


def test_records_go_to_several_places(tmp_path, astronaut_path):
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    assert main(["run", str(astronaut_path), "--jsonl", str(first), "--jsonl", str(second), "--max-size", "1M"]) == 0
    assert first.read_bytes() == second.read_bytes() != b""


def frames_in(path):
    video, count = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), 0
    assert int(video.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == b"VP80"
    while video.read()[0]:
        count += 1
    return count


def test_a_clip_becomes_a_video_that_browsers_play(tmp_path, frame, people):
    with Overlays(tmp_path) as sink:
        for number in range(30):
            sink.write(numbered(frame, number), people)
    content = (tmp_path / "cam.overlay.webm").read_bytes()
    assert content[:4] == b"\x1aE\xdf\xa3" and b"webm" in content[:64] and frames_in(tmp_path / "cam.overlay.webm") == 30


def test_a_recording_plays_at_the_speed_of_life_in_pieces(tmp_path, frame, people, astronaut):
    def at(seconds, rgb=astronaut):
        return dataclasses.replace(frame, rgb=rgb, stamp=round(seconds * 1e9))

    folder = tmp_path / "cam.overlay"
    with Recording(tmp_path, seconds=2.0) as sink:
        for seconds in np.arange(0, 3, 0.25):  # 4 a second become 10
            sink.write(at(seconds), people)
        sink.write(at(30), people)  # the camera was away
        sink.write(at(30.5), people)
        sink.write(at(30.6, astronaut[:300]), people[:0])  # and is another one now
        assert [path.name for path in sink.paths] == ["cam.overlay"]
        assert len(list(folder.glob("2*"))) == 3 and len(list(folder.glob(".*.part.webm"))) == 1
    # One name for all, as if the clock had stood still: nothing is overwritten.
    assert [re.sub("_*.webm", "", path.name) for path in sorted(folder.iterdir())] == ["20261124T100000Z"] * 4
    assert sorted(frames_in(path) for path in folder.iterdir()) == [1, 6, 8, 18]


def test_what_a_killed_recording_left_goes(tmp_path, frame, people):
    folder = tmp_path / "cam.overlay"
    folder.mkdir()
    (folder / ".20261123T000000Z.77.part.webm").write_bytes(b"half")
    with Recording(tmp_path) as sink:
        sink.write(frame, people)
    assert [path.name for path in folder.iterdir()] == ["20261124T100000Z.webm"]


def test_detections_are_supervisions(people):
    supervision = pytest.importorskip("supervision")
    theirs = people.supervision()
    assert isinstance(theirs, supervision.Detections) and len(theirs) == len(people) > 0
    np.testing.assert_array_equal(theirs.xyxy, people.boxes)
    np.testing.assert_array_equal(theirs.mask, people.masks())
    assert list(theirs.data["class_name"]) == ["person"] * len(people)
    scene = supervision.MaskAnnotator().annotate(np.zeros((512, 512, 3), np.uint8), theirs)
    assert (scene.any(axis=2) == people.masks().any(axis=0)).mean() > 0.99
    assert len(people[:0].supervision()) == 0
