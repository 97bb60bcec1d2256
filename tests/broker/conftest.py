"""A real mosquitto, and people that come and go before a fake camera."""

import contextlib
import os

import pytest

import edgemask
from edgemask.benchmarks.faults import Bench
from edgemask.benchmarks.mosquitto import Listener, Mosquitto
from edgemask.cameras import Frame
from edgemask.sinks.broker import Broker
from edgemask.sinks.mqtt import Mqtt
from edgemask.tracking import Tracker
from edgemask.zones import Zone

ZONES = [Zone("desk", ((0, 0), (1, 0), (1, 1), (0, 1))), Zone("corner", ((0.98, 0), (1, 0), (1, 0.02)))]


@pytest.fixture(scope="session", autouse=True)
def mosquitto():
    if not Mosquitto.path():
        assert not os.environ.get("CI"), "CI must have mosquitto: apt install mosquitto"
        pytest.skip("needs mosquitto (apt install mosquitto)")


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


@pytest.fixture(scope="session")
def people(astronaut):
    """The astronaut's Detections with her track id, 1: the tracker gives it with the second sighting."""
    found, tracker = edgemask.load(threads=1)(astronaut).above(0.9), Tracker()
    for number in range(2):
        tracked = tracker(Frame(astronaut, "cam", number, stamp=number * 10**8), found)
    assert tracked.track_ids.tolist() == [1]
    return tracked


@pytest.fixture
def bench(astronaut, people):
    """Loops over a fake camera in which she is seen; set `bench.people` to have her go."""
    return Bench(astronaut, people)


@pytest.fixture
def sink(broker):
    """Make a sink of device `lab` with two zones, the whole frame and a corner where nobody is."""
    return lambda **options: Mqtt(Broker.parse(broker.url), ("person",), "lab", ZONES, **options)


@pytest.fixture
def running(sink, bench, broker):
    """Run a loop with the sink, and a listener that was there before it: (loop, listener)."""

    @contextlib.contextmanager
    def run(**options):
        with Listener(broker.port) as listener, bench.running(bench.camera(), [sink(**options)]) as loop:
            yield loop, listener

    return run
