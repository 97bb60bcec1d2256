"""What a live run promises when something goes wrong, each promise broken on purpose and checked.

Every fault is a function that runs a loop, does the damage and yields (what was promised, whether it was kept).
"""

import contextlib
import json
import logging
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from unittest import mock

import cv2

import edgemask
from edgemask import pictures
from edgemask.benchmarks.mosquitto import Listener, Mosquitto
from edgemask.benchmarks.viewer import address_of, look
from edgemask.benchmarks.waiting import until
from edgemask.bundle import SHIPPED
from edgemask.cameras import FakeCamera
from edgemask.errors import SourceError
from edgemask.loop import Loop
from edgemask.sinks.broker import Broker
from edgemask.sinks.jsonl import JsonLines
from edgemask.sinks.mqtt import Mqtt
from edgemask.sinks.recording import Recording
from edgemask.sinks.server import JsonServer
from edgemask.stopping import stopping
from edgemask.web.access import Access
from edgemask.web.page import WebPage

FPS, RETRY = 50, 0.05


def check(folder, scale: float, only=None):
    """Each fault's name and list of (promise, kept); `scale` shortens the seconds of a stall."""
    rgb = pictures.read(SHIPPED.parent / "astronaut.jpg")
    people = edgemask.load()(rgb)
    for name, fault in FAULTS.items():
        if only is None or name in only:
            place = folder / name.replace(" ", "-")
            place.mkdir()
            yield name, list(fault(place, Bench(rgb, people), scale))


class Bench:
    """Loops over a fake camera, with an answer that costs nothing in the model's place."""

    def __init__(self, rgb, people):
        self.rgb, self.people, self.said = rgb, people, []

    def camera(self, **faults) -> FakeCamera:
        return FakeCamera([self.rgb], FPS, **faults)

    @contextlib.contextmanager
    def running(self, camera, sinks, reopen=None):
        """The loop, running in a thread, its log kept in `said`."""
        loop = Loop(camera, lambda rgb, content: self.people, sinks, reopen=reopen, retry=RETRY)
        listener = logging.Handler()
        listener.emit = lambda record: self.said.append(record.getMessage())
        logger = logging.getLogger("edgemask")
        logger.addHandler(listener)
        logger.propagate = False
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield loop
        finally:
            loop.stop()
            thread.join()
            logger.removeHandler(listener)
            logger.propagate = True

    def once(self, *sentences):
        """Whether the log says these, in this order, and nothing else."""
        return len(self.said) == len(sentences) and all(part in said for part, said in zip(sentences, self.said, strict=True))


def stall(folder, bench, scale):
    """The camera is silent."""
    camera = bench.camera(stall_at={20: 100.0})
    camera.STALL = 5 * scale
    yield from _outage(folder, bench, camera, lambda: camera, "gave no frame")


def disappearance(folder, bench, scale):
    """The camera goes, cannot be opened twice, and returns."""
    camera, tries = bench.camera(vanish_at={20}), []

    def reopen():
        tries.append(len(bench.said))
        if len(tries) < 3:
            raise SourceError("fake cannot be opened")
        return camera

    yield from _outage(folder, bench, camera, reopen, "is gone")
    yield "tried again until it opened", len(tries) == 3


def _outage(folder, bench, camera, reopen, sentence):
    path = folder / "masks.jsonl"
    with bench.running(camera, [JsonLines(path, append=True)], reopen) as loop:
        yield "goes on when it is back", until(lambda: camera.number > 60 and loop.frames > 30)
    numbers = [record["frame"] for record in _records(path)]
    every = len(numbers) == loop.frames - loop.outlets[0].lost
    yield "every line whole, numbers growing", every and numbers == sorted(set(numbers))
    yield "one sentence each way", bench.once(sentence, "gives frames again")


def full_disk(folder, bench, scale):
    """No file may grow beyond 40 kB for a while, which is what a full disk looks like without root."""
    path, film = folder / "masks.jsonl", Recording(folder)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        with bench.running(bench.camera(), [JsonLines(path, append=True), film]) as loop:
            full = until(lambda: sum("cannot be written" in said for said in bench.said) == 2 and path.stat().st_size > 30_000)
            frames = loop.frames
            yield "goes on while it is full", full and until(lambda: loop.frames > frames + 20)
            yield "whole lines only", len(_records(path)) > 0
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            yield "writes again when there is room", until(lambda: sum("works again" in said for said in bench.said) == 2)
            frames = loop.frames
            until(lambda: loop.frames > frames + 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    yield "what was lost is counted", len(_records(path)) + loop.outlets[0].lost == loop.frames
    yield "the video opens", all(_playable(film.paths[0]))
    yield "one sentence each way and sink", len(bench.said) == 4


def stalled_reader(folder, bench, scale):
    """A socket's client reads nothing, another reads everything."""
    server, lines = JsonServer(f"unix:{folder / 's'}"), []
    server.BACKLOG = 20_000
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(bench.running(bench.camera(), [server]))
        until(lambda: (folder / "s").exists())
        stalled, reader = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        stalled.connect(str(folder / "s"))
        reader.connect(str(folder / "s"))
        thread = threading.Thread(target=lambda: lines.extend(reader.makefile("rb")))
        thread.start()
        yield "the stalled reader is dropped", until(lambda: bench.said)
        frames = loop.frames
        yield "the loop goes on", until(lambda: loop.frames > frames + 10)
        loop.stop()
        thread.join()
    got = [json.loads(line) for line in lines]
    # A record says how many frames are missing before it: more than that would be a record that got lost.
    gapless = all(b["frame"] - a["frame"] - 1 == b["dropped"] for a, b in zip(got, got[1:], strict=False))
    yield "the other reader gets every record", len(got) > 10 and lines[-1].endswith(b"\n") and gapless
    yield "one sentence", bench.once("stalled and was dropped")


def stalled_viewer(folder, bench, scale):
    """Of two viewers of the web page one answers no picture."""
    from websockets.sync.client import connect

    page, seen = WebPage(Access("127.0.0.1:0")), []
    with contextlib.ExitStack() as stack:
        loop = stack.enter_context(bench.running(bench.camera(), [page]))
        until(lambda: address_of(page))
        page.server.STALL = 5 * scale
        stack.enter_context(connect(address_of(page), proxy=None))
        thread = threading.Thread(target=lambda: seen.extend(json.loads(one.partition(b"\n")[0]) for one in look(address_of(page))))
        thread.start()
        yield "the stalled viewer is dropped", until(lambda: bench.said)
        frames, pictures = loop.frames, len(seen)
        yield "the other goes on, and so does the loop", until(lambda: loop.frames > frames + 10 and len(seen) > pictures + 10)
        loop.stop()
        thread.join()
    numbers = [record["frame"] for record in seen]
    yield "no picture comes twice or too late", numbers == sorted(set(numbers))
    yield "one sentence", bench.once("stalled and was dropped")


def broker_gone(folder, bench, scale):
    """The MQTT broker ends, and starts again after a while."""
    with Mosquitto() as broker, bench.running(bench.camera(), [Mqtt(Broker.parse(broker.url), ("person",), "soak")]) as loop:
        with Listener(broker.port) as listener:
            yield "state and availability arrive", until(lambda: listener.on("state") and listener.on("availability") == [b"online"])
        broker.stop()
        until(lambda: bench.said)
        frames, bench.people = loop.frames, bench.people[:0]
        yield "goes on without it, for a minute", until(lambda: loop.frames > frames + 60 * FPS * scale, 120)
        broker.start()
        with Listener(broker.port) as listener:
            back = until(lambda: listener.on("state") and listener.on("availability"))
            yield "back: online, and the counts of now", back and listener.last("state")["counts"] == {"person": 0}
    yield "one sentence each way", bench.once("is gone", "works again")


def clock_jump(folder, bench, scale):
    """The wall clock is set forward and back by an hour between any two frames."""

    class Jumping(datetime):
        hours = 0

        @classmethod
        def now(cls, zone=None):
            cls.hours = 1 - cls.hours
            return datetime.now(zone) + timedelta(hours=cls.hours)

    path, real = folder / "masks.jsonl", time.time
    with mock.patch("edgemask.cameras.camera.datetime", Jumping), mock.patch("time.time", lambda: real() + 3600 * Jumping.hours):
        with bench.running(bench.camera(), [JsonLines(path, append=True), Recording(folder)]) as loop:
            yield "goes on", until(lambda: loop.frames > 60)
    records = _records(path)
    hours = {record["time"][:13] for record in records}
    yield "ages stay right", len(hours) > 1 and all(0 <= record["age_ms"] < 60_000 for record in records)
    yield "one video, not one per jump", _playable(folder / "fake.overlay") == [True]
    yield "no sentence", not bench.said


def sigterm(folder, bench, scale):
    """A service that is stopped."""
    child = _child(folder)
    child.send_signal(signal.SIGTERM)
    yield "ends with 0", child.wait(60) == 0
    yield "every record flushed", len(_records(folder / "masks.jsonl")) == _end(folder)["written"]
    yield "the video opens", all(_playable(folder / "fake.overlay"))
    yield "camera closed, socket removed", _end(folder)["closed"] and not (folder / "s").exists()
    yield "no sentence", child.stderr.read() == ""


def kill(folder, bench, scale):
    """The power goes, and comes back."""
    child = _child(folder)
    until(lambda: list((folder / "fake.overlay").glob("2*.webm")))
    child.kill()
    child.wait()
    with open(folder / "masks.jsonl", "ab") as file:  # the half line that a power cut may leave
        file.write(b'{"schema": "edgemask.fra')
    before = len((folder / "masks.jsonl").read_bytes().splitlines()) - 1
    yield "the videos so far open", len(_playable(folder / "fake.overlay")) > 0 and all(_playable(folder / "fake.overlay"))
    child = _child(folder)
    child.send_signal(signal.SIGTERM)
    yield "starts again, on the same socket", child.wait(60) == 0
    records = _records(folder / "masks.jsonl")
    yield "every line whole, none lost", len(records) > before > 0 and [r["frame"] for r in records].count(0) == 2
    yield "no sentence", child.stderr.read() == ""


FAULTS = {
    "camera stalls": stall, "camera vanishes": disappearance, "disk full": full_disk, "reader stalls": stalled_reader,
    "viewer stalls": stalled_viewer, "broker gone": broker_gone, "clock jumps an hour": clock_jump, "SIGTERM": sigterm, "kill -9": kill,
}  # fmt: skip


def _child(folder):
    """A process with all sinks on and the real model, which has begun to write."""
    program = f"from edgemask.benchmarks import faults; faults.child({str(folder)!r})"
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    path = folder / "masks.jsonl"
    size = path.stat().st_size if path.exists() else 0
    until(lambda: path.exists() and path.stat().st_size > size)
    return process


def child(folder: str):
    """What `_child` runs; leaves how it ended in FOLDER/end.json."""
    from pathlib import Path

    folder, closed = Path(folder), []
    camera = FakeCamera([pictures.read(SHIPPED.parent / "astronaut.jpg")], 30)
    camera.close = lambda: closed.append(True)
    sinks = [JsonLines(folder / "masks.jsonl", append=True), JsonServer(f"unix:{folder / 's'}"), Recording(folder, 2.0)]
    loop = Loop(camera, edgemask.load(), sinks, reopen=lambda: camera)
    with stopping(loop.stop):
        loop.run()
    (folder / "end.json").write_text(json.dumps({"written": loop.frames - loop.outlets[0].lost, "closed": bool(closed)}))


def _records(path):
    lines = path.read_bytes()
    return [json.loads(line) for line in lines.splitlines()] if lines.endswith(b"\n") else []


def _end(folder):
    return json.loads((folder / "end.json").read_text())


def _playable(folder):
    """Whether each video in a folder opens and gives a frame."""
    return [cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).read()[0] for path in sorted(folder.glob("2*.webm"))]
