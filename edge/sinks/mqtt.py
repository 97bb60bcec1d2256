"""Results over MQTT."""

import json
import platform
import re
import time
from collections import deque

import cv2

from edgemask import device, draw
from edgemask.errors import OptionError
from edgemask.events import Events
from edgemask.record import frame_record, timestamp
from edgemask.sinks.broker import Broker
from edgemask.sinks.connection import Connection, paho_client
from edgemask.sinks.home_assistant import STATUS, discovery
from edgemask.sinks.sink import Sink
from edgemask.zones import Zone, touched


class Mqtt(Sink):
    """Publishes a live camera's results as `edgemask/DEVICE/…`, and announces them to Home Assistant.

    `availability`: `online`, or `offline` even after a crash, retained; `state`: JSON at most once a second, retained;
    `events`: JSON, see `Events`; `image`: JPEG with masks when the counts change, at most once a second, else every
    ten; with `frames` also `frame`: every record. A broker that is away costs a sentence and what would have gone to
    it, but for the first hundred events. Raises MissingLibrary, and OptionError for a name that no topic can have.
    """

    STATE, PICTURE = 1.0, 10.0  # seconds

    def __init__(self, broker: Broker, classes, name: str | None = None, zones: list[Zone] = (), frames: bool = False):
        super().__init__()
        paho_client()
        self.broker, self.classes, self.zones, self.frames = broker, classes, zones, frames
        self.name, self.connection = device_name(name), None
        self.events = Events([zone.name for zone in zones])
        self.discovery = discovery(self.name, classes, self.events.zones)
        self.times, self.state_due = deque(maxlen=30), 0.0  # on the monotonic clock
        self.pictured, self.pictured_at = None, -self.PICTURE

    def __str__(self):
        return str(self.broker)

    def topic(self, kind: str) -> str:
        """The topic of `availability`, `state`, `events`, `image` or `frame`."""
        return f"edgemask/{self.name}/{kind}"

    def __enter__(self) -> "Mqtt":
        heard = {STATUS: lambda text: self._introduce() if text == b"online" else None}
        name = f"edgemask-{self.name}"
        self.connection = Connection(self.broker, name, self.topic("availability"), self._introduce, heard)
        self.connection.open()
        return self

    def __exit__(self, *_):
        if self.connection is not None:
            self._tell(self.events.finish())
            self.connection.close()
            self.connection = None

    def write(self, frame, detections):
        """Publish what the frame shows, as far as the broker takes it; never waits for it."""
        inside = touched(self.zones, detections)
        self._tell(self.events(frame, detections, inside))
        if self.frames and self.connection.ready:
            self.connection.publish(self.topic("frame"), json.dumps(frame_record(frame, detections)))
        counts = self._counts(detections, inside)
        self._state(frame, counts)
        self._picture(frame, detections, counts)

    def _introduce(self):
        topic, payload = self.discovery
        self.connection.publish(topic, json.dumps(payload), retain=True)
        self.state_due = 0.0  # the broker may have forgotten it: again with the next frame

    def _tell(self, events):
        for event in events:
            self.connection.deliver(self.topic("events"), json.dumps(event))

    def _counts(self, detections, inside):
        kinds = {name: int((detections.class_ids == index).sum()) for index, name in enumerate(self.classes)}
        return {"counts": kinds, "zones": dict(zip(self.events.zones, inside.sum(axis=0).tolist(), strict=True))}

    def _state(self, frame, counts):
        now = time.monotonic()
        self.times.append(now)
        if now < self.state_due:
            return
        span = now - self.times[0]
        state = {
            "time": timestamp(frame), **counts, "presence": any(counts["counts"].values()),
            "fps": round((len(self.times) - 1) / span, 1) if span else None, "age_ms": frame.age_ms,
            "temperature": device.temperature(),
        }  # fmt: skip
        if self.connection.publish(self.topic("state"), json.dumps(state), retain=True):
            self.state_due = now + self.STATE

    def _picture(self, frame, detections, counts):
        now = time.monotonic()
        pause = self.PICTURE if counts == self.pictured else self.STATE
        if now - self.pictured_at < pause or not self.connection.ready:
            return
        bgr = cv2.cvtColor(draw.overlay(frame.rgb, detections), cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
        if self.connection.publish(self.topic("image"), jpeg):
            self.pictured_at, self.pictured = now, counts


def device_name(name: str | None) -> str:
    """A name that topics and Home Assistant's ids can hold, by default this host's; raises OptionError."""
    if name is None:
        return re.sub(r"[^A-Za-z0-9_-]+", "-", platform.node().partition(".")[0]).strip("-") or "edgemask"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise OptionError(f"--device {name} is not made of letters, digits, - and _")
    return name
