"""What arrives at a real broker, and what becomes of it when one side goes away."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from edgemask.benchmarks.mosquitto import Listener
from edgemask.benchmarks.waiting import until
from edgemask.sinks.broker import Broker
from edgemask.sinks.connection import Connection
from edgemask.video_file import writing_video

pytestmark = pytest.mark.broker


def test_state_and_availability(running, bench, broker, people):
    with running() as (loop, listener):
        began = time.monotonic()
        assert until(lambda: len(listener.on("state")) >= 3)
        assert len(listener.on("state")) <= time.monotonic() - began + 1, "more than one state a second"
        state = listener.last("state")
        assert set(state) == {"time", "counts", "zones", "presence", "fps", "age_ms", "temperature"}
        assert state["counts"] == {"person": len(people)} and state["zones"] == {"desk": 1, "corner": 0}
        assert state["presence"] is True and 0 < state["fps"] < 200 and state["age_ms"] >= 0
        assert abs(time.time() - datetime.fromisoformat(state["time"]).timestamp()) < 60
        bench.people = people[:0]
        assert until(lambda: listener.last("state")["counts"] == {"person": 0})
        assert listener.last("state")["presence"] is False and listener.last("state")["zones"] == {"desk": 0, "corner": 0}
        with Listener(broker.port) as late:  # retained: who comes late has them at once
            assert until(lambda: late.on("availability") and late.on("state") and late.on("config"))
            first = {topic: retained for topic, _, retained in reversed(late.messages)}
        kept = {topic.rpartition("/")[2] for topic, retained in first.items() if retained}
        assert kept == {"availability", "state", "config"}
        assert listener.on("availability") == [b"online"]
    assert not bench.said


def test_the_end_is_said(sink, bench, broker):
    with Listener(broker.port) as listener:
        with bench.running(bench.camera(), [sink()]):
            assert until(lambda: listener.on("events"))
        assert until(lambda: len(listener.on("availability")) == 2 and len(listener.on("events")) == 2)
        assert listener.on("availability") == [b"online", b"offline"]
        assert [json.loads(event)["type"] for event in listener.on("events")] == ["new", "end"]


def test_events_with_zones(running, bench, broker, people):
    with running() as (loop, listener):
        assert until(lambda: listener.on("events"))
        new = listener.last("events")
        assert new["type"] == "new" and new["before"]["current_zones"] == [] and new["after"]["current_zones"] == ["desk"]
        after = new["after"]
        assert after["label"] == "person" and after["track_id"] == 1 and after["box"] == people.boxes[0].round().tolist()
        assert after["score"] == round(float(people.scores[0]), 4) and after["end_time"] is None
        bench.people = people[:0]
        assert until(lambda: listener.last("events")["type"] == "end")
        end = listener.last("events")
        assert end["before"] == after and end["after"]["id"] == after["id"]
        assert end["after"]["end_time"] >= end["after"]["start_time"] == after["start_time"]
        bench.people = people
        assert until(lambda: listener.last("events")["type"] == "new")
        assert listener.last("events")["after"]["id"] != after["id"]
    assert [json.loads(event)["type"] for event in listener.on("events")][:3] == ["new", "end", "new"]


def test_pictures_show_the_masks_and_come_when_something_changes(running, bench, people, astronaut):
    with running() as (loop, listener):
        assert until(lambda: listener.on("image"))
        (jpeg,) = listener.on("image")
        bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        changed = np.abs(bgr.astype(int) - cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR)).max(axis=2) > 40
        mask = people.masks().any(axis=0)
        assert bgr.shape == astronaut.shape and changed[mask].mean() > 0.5 > 4 * changed[~mask].mean()
        assert until(lambda: len(listener.on("state")) == 4)
        assert len(listener.on("image")) == 1, "nothing changed"
        bench.people = people[:0]
        assert until(lambda: len(listener.on("image")) == 2)
        plain = cv2.imdecode(np.frombuffer(listener.on("image")[1], np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(plain.astype(int) - cv2.cvtColor(astronaut, cv2.COLOR_RGB2BGR)).mean() < 4


def test_frames_are_records_and_only_when_asked_for(running, people):
    with running() as (loop, listener):
        assert until(lambda: len(listener.on("state")) >= 2)
    assert not listener.on("frame")
    with running(frames=True) as (loop, listener):
        assert until(lambda: len(listener.on("frame")) > 50)
    records = [json.loads(record) for record in listener.on("frame")]
    numbers = [record["frame"] for record in records]
    assert numbers == sorted(set(numbers)) and records[0]["schema"] == "edgemask.frame/1"
    (one,) = records[-1]["detections"]
    assert one["track_id"] == 1
    np.testing.assert_array_equal(coco_mask.decode(one["segmentation"]), people.masks()[0])


def test_a_broker_that_stops_and_returns(sink, bench, broker, people):
    """Stopped for as long as the retries take twice over: nothing waits for it, and it gets the truth when it is back."""
    with bench.running(bench.camera(), [sink()]) as loop:
        with Listener(broker.port) as listener:
            assert until(lambda: listener.on("state") and listener.on("events"))
        broker.stop()
        assert until(lambda: bench.said)
        bench.people, frames = people[:0], loop.frames
        assert until(lambda: loop.frames > frames + 400), "the loop waits for the broker"  # eight seconds
        broker.start()
        with Listener(broker.port) as listener:
            assert until(lambda: listener.on("availability") and listener.on("state") and listener.on("events"))
            assert listener.on("availability") == [b"online"] and listener.last("state")["counts"] == {"person": 0}
            assert listener.last("events")["type"] == "end", "what happened meanwhile"
            states = len(listener.on("state"))
            assert until(lambda: len(listener.on("state")) > states + 1)
    assert bench.once(f"{broker.url} is gone; trying again until it works", f"{broker.url} works again")


@pytest.fixture(scope="module")
def film(tmp_path_factory, astronaut):
    """A minute in which the astronaut moves a little."""
    path = tmp_path_factory.mktemp("film") / "film.webm"
    small = cv2.resize(astronaut, (256, 256))
    with writing_video(path, 5.0, (256, 256)) as append:
        for number in range(300):
            append(np.roll(small, number % 20, axis=1))
    return path


def test_last_will_after_kill_9(broker, film):
    command = [
        sys.executable, "-m", "edgemask", "run", film, "--paced", "--mqtt", broker.url, "--device", "lab",
        "--zone", "desk", "0,0", "1,0", "1,1", "0,1",
    ]  # fmt: skip
    with Listener(broker.port) as listener:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            assert until(lambda: listener.on("events") and listener.on("state") and listener.on("image"))
            assert listener.last("events")["after"]["camera"] == "film.webm" and listener.last("state")["zones"]["desk"] >= 1
            assert listener.on("availability") == [b"online"]
            child.kill()
            assert until(lambda: listener.on("availability") == [b"online", b"offline"])
        finally:
            child.kill()
            child.wait()
        again = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            assert until(lambda: listener.on("availability")[2:] == [b"online"])
            again.send_signal(signal.SIGTERM)
            assert again.wait(60) == 0
            assert until(lambda: listener.on("availability")[2:] == [b"online", b"offline"])
        finally:
            again.kill()
            again.wait()


def test_no_broker_at_all_is_one_sentence_and_the_run_goes_on(broker, film):
    broker.stop()
    url = f"mqtt://me:s3cret@127.0.0.1:{broker.port}"
    command = [sys.executable, "-m", "edgemask", "run", film, "--paced", "--frames", "10", "--mqtt", url]
    done = subprocess.run(command, capture_output=True, text=True)
    broker.start()
    assert done.returncode == 0 and "s3cret" not in done.stdout + done.stderr
    sentence = f"edgemask: {broker.url} cannot be reached: Connection refused; trying again until it works"
    assert [line for line in done.stderr.splitlines() if "mqtt" in line] == [sentence]


@pytest.fixture
def stalled():
    """The port of a broker that lets everybody in and reads nothing more."""
    with contextlib.ExitStack() as stack:
        server = socket.create_server(("127.0.0.1", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    client = stack.enter_context(server.accept()[0])
                    client.recv(1024)
                    client.send(b"\x20\x02\x00\x00")  # CONNACK, accepted

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()


def test_a_broker_that_reads_nothing_gets_no_more_than_a_megabyte(stalled):
    connection = Connection(Broker.parse(f"mqtt://127.0.0.1:{stalled}"), "x", "x/availability", lambda: None, {})
    connection.open()
    assert until(lambda: connection.ready)
    sent = 0
    while connection.publish("x/frame", bytes(10_000)) and sent < 10_000:
        sent += 1
    waiting = sum(size for _, size in connection.waiting)
    assert sent < 10_000 and connection.BACKLOG <= waiting < connection.BACKLOG + 10_000
    assert not connection.publish("x/frame", b"")


def test_of_events_for_a_broker_that_is_away_the_first_hundred_are_kept(broker):
    broker.stop()
    connection = Connection(Broker.parse(broker.url), "x", "x/availability", lambda: None, {})
    connection.open()
    for number in range(1000):
        connection.deliver("x/events", str(number))
        assert not connection.publish("x/frame", str(number))
    broker.start()
    with Listener(broker.port) as listener:
        assert until(lambda: len(listener.on("events")) == 100)
        connection.deliver("x/events", "last")
        assert until(lambda: listener.on("events")[-1] == b"last")
    connection.close()
    assert listener.on("events") == [*(str(number).encode() for number in range(100)), b"last"] and not listener.on("frame")
