"""The loop with cameras that are slow, fast, stalled and gone, and with sinks that are slow or broken."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from edgemask.cameras import FakeCamera, Frame
from edgemask.cameras.camera import Camera
from edgemask.cli import main
from edgemask.errors import OutputError, SourceError
from edgemask.gate import Gate
from edgemask.loop import Loop
from edgemask.sinks.jsonl import JsonLines
from edgemask.sinks.sink import Sink


class Kept(Sink):
    """Keeps what it is given; `hold` makes every write wait for it, `broken` makes it fail."""

    error = OutputError("the kept cannot be written: it is broken")

    def __init__(self):
        super().__init__()
        self.frames, self.detections, self.broken, self.opened, self.ended = [], [], False, 0, []
        self.hold = threading.Event()
        self.hold.set()

    def __str__(self):
        return "the kept"

    def __enter__(self):
        self.opened += 1
        return self

    def __exit__(self, kind, *_):
        self.ended.append(kind)

    def write(self, frame, detections):
        self.hold.wait()
        if self.broken:
            raise self.error
        self.frames.append(frame)
        self.detections.append(detections)


class Clip(Camera):
    """Twenty frames of a file."""

    source, fps, taken = "clip", 10.0, 0

    def __iter__(self):
        for number in range(20):
            self.taken = number + 1
            yield Frame(np.full((48, 64, 3), number, np.uint8), "clip", number, self.fps)

    def __len__(self):
        return 20


class Slow:
    """A model whose answers wait for `go`; it counts the frames it saw."""

    def __init__(self, model):
        self.model, self.seen, self.go = model, [], threading.Semaphore(0)

    def __call__(self, rgb, content=None):
        self.go.acquire()
        self.seen.append(rgb)
        return self.model(rgb, content)


def numbers(sink):
    return [frame.number for frame in sink.frames]


def test_a_file_is_taken_frame_by_frame_even_when_a_sink_is_slow(model):
    sink, camera = Kept(), Clip()
    sink.hold.clear()
    loop = Loop(camera, model, [sink])
    thread = threading.Thread(target=loop.run)
    thread.start()
    until(lambda: camera.taken >= 5)
    assert camera.taken < 12  # the queue is bounded: the reader waits
    sink.hold.set()
    thread.join()
    assert numbers(sink) == list(range(20)) and loop.frames == 20 and loop.dropped == 0
    assert all(frame.age_ms is None and frame.dropped == 0 for frame in sink.frames) and sink.ended == [None]


def test_a_live_camera_is_never_queued_and_drops_are_counted(model):
    camera, slow, sink = FakeCamera(fps=200), Slow(model), Kept()
    loop = Loop(camera, slow, [sink], limit=6)
    thread = threading.Thread(target=loop.run)
    thread.start()
    handed = []
    for _ in range(6):
        at = camera.number
        until(lambda at=at: camera.number >= at + 10)
        handed.append(camera.number)
        slow.go.release()
        until(lambda: len(sink.frames) == len(handed))
    thread.join()
    # The next frame taken is the newest there was when the result before it left: at most one is waiting.
    for number, newest in zip(numbers(sink)[1:], handed, strict=False):
        assert number >= newest - 2
    gaps = [after - before - 1 for before, after in zip(numbers(sink), numbers(sink)[1:], strict=False)]
    assert [frame.dropped for frame in sink.frames] == [0, *gaps] and sum(gaps) == loop.dropped >= 40
    assert all(frame.age_ms > 0 for frame in sink.frames)


def test_a_record_tells_the_age_at_capture_and_at_emission(model, tmp_path):
    """Each frame is 200 ms old when the camera hands it over, and lies with the model for 100 more."""

    class Late(FakeCamera):
        def _frame(self, rgb, number, stamp):
            return super()._frame(rgb, number, stamp - 200_000_000)

    def slow(rgb, content=None):
        time.sleep(0.1)
        return model(rgb, content)

    Loop(Late(), slow, [JsonLines(tmp_path / "a.jsonl")], limit=3).run()
    for record in map(json.loads, (tmp_path / "a.jsonl").read_text().splitlines()):
        assert 200 <= record["capture_age_ms"] <= record["age_ms"] - 100


def test_a_slow_sink_loses_frames_of_a_live_camera_and_holds_nobody_up(model):
    slow, fast = Kept(), Kept()
    slow.hold.clear()
    loop = Loop(FakeCamera(fps=25), model, [slow, fast], limit=16)
    thread = threading.Thread(target=loop.run)
    thread.start()
    until(lambda: len(fast.frames) == 16)
    slow.hold.set()
    thread.join()
    assert loop.outlets[0].lost == 16 - len(slow.frames) > 8 and loop.outlets[1].lost == 0
    first, second = slow.frames[:2]
    assert second.dropped == second.number - first.number - 1 > 0


ERRORS = [
    (Kept.error, "the kept cannot be written: it is broken"),
    (OSError(28, "No space left on device"), "the kept failed with OSError: [Errno 28] No space left on device"),
    (ValueError("a slip"), "the kept failed with ValueError: a slip"),
]


@pytest.mark.parametrize(("error", "sentence"), ERRORS)
def test_a_broken_sink_is_said_once_each_way_and_comes_back(model, caplog, error, sentence):
    broken, well = Kept(), Kept()
    broken.broken, broken.error = True, error
    loop = Loop(FakeCamera(fps=100), model, [broken, well], retry=0.02)
    thread = threading.Thread(target=loop.run)
    thread.start()
    until(lambda: broken.opened > 3)
    broken.broken = False
    until(lambda: broken.frames)
    loop.stop()
    thread.join()
    assert caplog.messages == [f"{sentence}; trying again until it works", "the kept works again"]
    assert loop.outlets[0].lost + len(broken.frames) == loop.frames == loop.outlets[1].lost + len(well.frames)


def test_a_sink_that_cannot_close_after_a_live_loop_is_said(model, caplog):
    class Stuck(Kept):
        def __exit__(self, *_):
            raise ValueError("a slip")

    Loop(FakeCamera(fps=100), model, [Stuck()], limit=3).run()
    assert caplog.messages == ["the kept failed with ValueError: a slip"]


@pytest.mark.parametrize("error", [error for error, _ in ERRORS])
def test_a_sink_that_fails_on_a_file_ends_the_run(model, error):
    sink = Kept()
    sink.broken, sink.error = True, error
    with pytest.raises(type(error), match=re.escape(str(error))):
        Loop(Clip(), model, [sink]).run()
    assert sink.ended == [type(error)]


def test_a_camera_that_stalls_or_vanishes_is_opened_again(model, caplog, monkeypatch):
    monkeypatch.setattr(FakeCamera, "STALL", 0.1)
    camera, opened = FakeCamera(fps=200, vanish_at={20}, stall_at={40: 9.0}, frames=100), []

    def reopen():
        opened.append(camera.number)
        if len(opened) == 1:
            raise SourceError("not there yet")
        return camera

    sink = Kept()
    Loop(camera, model, [sink], reopen=reopen, retry=0.01).run()
    assert caplog.messages == [
        "fake is gone; trying again until it is back", "fake gives frames again",
        "fake gave no frame for 0.1 s; trying again until it is back", "fake gives frames again",
    ]  # fmt: skip
    assert len(opened) == 3 and numbers(sink) == sorted(set(numbers(sink))) and numbers(sink)[-1] > 50


def test_numbers_go_on_when_a_camera_counts_anew(model, caplog):
    class Restarting(FakeCamera):
        def __init__(self, vanish_at=()):
            super().__init__(frames=10, vanish_at=vanish_at)

    sink = Kept()
    Loop(Restarting({5}), model, [sink], reopen=Restarting, retry=0.01).run()
    # Five frames, then ten more; the last of a camera always arrives.
    assert numbers(sink) == sorted(set(numbers(sink))) and numbers(sink)[-1] == 14


def test_a_camera_without_a_first_frame_is_an_error(model):
    with pytest.raises(SourceError, match="is gone"):
        Loop(FakeCamera(vanish_at={0}), model, [Kept()], reopen=FakeCamera, limit=1).run()


def test_an_error_of_the_model_reaches_the_caller_and_the_sinks(model):
    def fail(rgb, content):
        raise ZeroDivisionError

    sink, camera = Kept(), FakeCamera(fps=50)
    with pytest.raises(ZeroDivisionError):
        Loop(camera, fail, [sink]).run()
    assert sink.ended == [ZeroDivisionError]


def test_the_gate_repeats_the_result_until_something_moves(model, astronaut):
    slow = Slow(model)
    slow.go.release(10)
    moved = astronaut.copy()
    moved[200:260, 20:50] = 255  # 0.7 % of the picture
    noisy = np.clip(astronaut + np.random.default_rng(0).normal(0, 6, astronaut.shape), 0, 255).astype(np.uint8)
    sink = Kept()
    pictures = [astronaut, noisy, astronaut, moved, moved, astronaut[:300], astronaut[:300]]

    class Stills(Clip):
        def __iter__(self):
            return (Frame(rgb, "clip", number, 10.0) for number, rgb in enumerate(pictures))

    loop = Loop(Stills(), slow, [sink], gate=Gate())
    loop.run()
    assert [rgb is picture for rgb, picture in zip(slow.seen, [astronaut, moved, pictures[5]], strict=True)] == [True] * 3
    assert loop.gated == 4 and len(sink.frames) == 7
    assert set(sink.detections[1].ms) == {"gate", "total"} and "trunk" in sink.detections[0].ms
    np.testing.assert_array_equal(sink.detections[1].boxes, sink.detections[0].boxes)
    assert sink.detections[6].size == (512, 300)


def test_a_rate_takes_no_more_frames_than_it_says(model):
    camera, sink = FakeCamera(fps=100, frames=100), Kept()
    Loop(camera, model, [sink], fps=5).run()  # one second
    assert 1 < len(sink.frames) <= 7 and sum(frame.dropped for frame in sink.frames) > 50


def test_the_wall_clock_does_not_matter(model, tmp_path, monkeypatch):
    hour = iter([0, 3600, -7200] * 1000)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(hour))
    sinks = [JsonLines(tmp_path / "a.jsonl", append=True), Kept()]
    Loop(FakeCamera(fps=100), model, sinks, limit=10, fps=50).run()
    assert all(0 < frame.age_ms < 5000 for frame in sinks[1].frames)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 10


LIVE = """
import sys
from edgemask import cli
from edgemask.cameras import FakeCamera, Source
from edgemask.verbs import run
run.source_from = lambda options: Source(lambda size: FakeCamera(fps=30), live=True)
sys.exit(cli.main(sys.argv[1:]))
"""


def live_run(*options, **streams):
    return subprocess.Popen([sys.executable, "-c", LIVE, "run", "0", *options], **streams)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_live_run_that_is_stopped_ends_well(tmp_path, stop):
    out = tmp_path / "masks.jsonl"
    options = ["--jsonl", "-", "--jsonl", str(out), "--overlay", "--out", str(tmp_path)]
    process = live_run(*options, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(5):
        process.stdout.readline()
    process.send_signal(stop)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    records = [json.loads(line) for line in out.read_text().splitlines()]
    same = [{**record, "age_ms": None} for record in (records[-1], json.loads(printed.splitlines()[-1]))]
    assert len(records) >= 5 and same[0] == same[1] and records[-1]["age_ms"] > 0
    assert f"in {len(records)} frames" in said.decode() and f"wrote {out}" in said.decode()
    (video,) = os.listdir(tmp_path / "fake.overlay")
    assert video.endswith(".webm")


def test_on_a_terminal_one_line_says_how_it_goes():
    terminal, ours = os.openpty()
    process = live_run("--frames", "60", "--gate", stdout=subprocess.DEVNULL, stderr=ours)
    os.close(ours)
    said = b""
    with contextlib.suppress(OSError), open(terminal, "rb", buffering=0) as lines:  # EIO is a terminal's end
        while part := lines.read(4096):
            said += part
    assert process.wait(60) == 0
    line = rb"\r\x1b\[K\d+\.\d fps, \d+ ms old, \d+ ms a frame, \d+ in sight, \d+ dropped, \d+ gated"
    assert re.search(line, said) and re.search(rb"instances? in 60 frames\r\n", said)


def test_a_rate_for_a_file_is_one_sentence(capsys, astronaut_path):
    assert main(["run", str(astronaut_path), "--fps", "5"]) == 2
    assert "--fps is for cameras" in capsys.readouterr().err


def test_a_live_run_ends_when_nobody_reads_its_output(tmp_path):
    process = live_run(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    assert process.wait(60) == 1 and "edgemask: " not in said


def until(true, seconds=60):
    """Wait until it is true; fail when it is not in a minute."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen within a minute"
        time.sleep(0.005)
