"""The loop: frames from a camera through a model to sinks, all three at the same time."""

import contextlib
import threading
import time
from dataclasses import replace

from edgemask.backoff import Backoff
from edgemask.channel import Channel
from edgemask.progress import Line, progress
from edgemask.reopening import Reopening
from edgemask.sinks.outlet import Outlet

TICK = 0.2  # seconds: how long a signal waits at most


class Loop:
    """One run of a model over a camera's frames.

    >>> Loop(open_camera("picamera2"), edgemask.load(), [JsonLines("masks.jsonl")]).run()

    A live camera's frames are never queued: whenever the model is free it takes the newest. A file's are all taken,
    in order. threshold: lowest score kept; gate: a `Gate`, or None to look at every frame; tracker: a `Tracker`, or
    None; fps: at most so many a second; limit: end after so many frames; reopen: opens a live camera again whenever it
    fails; retry: seconds before the first new try of a camera or sink, the next ones wait twice as long each.
    Counted as it runs: frames, found (instances), gated, dropped (frames the camera gave and nobody looked at).
    """

    def __init__(
        self, camera, model, sinks, *, threshold=0.5, gate=None, tracker=None, fps=None, limit=None, reopen=None, retry=1.0
    ):  # fmt: skip
        self.ending = threading.Event()
        self.camera = Reopening(camera, reopen, Backoff(retry), self.ending) if reopen else camera
        self.model, self.sinks, self.threshold, self.gate, self.tracker = model, sinks, threshold, gate, tracker
        self.looked = None  # what the model found last
        self.period, self.limit, self.retry, self.stopped = 1 / fps if fps else 0.0, limit, retry, False
        self.frames = self.found = self.gated = self.dropped = 0
        self.outlets: list[Outlet] = []
        # A slot of one: the newest frame of a live camera, the frame read ahead of a file.
        self.slot = Channel(1, lossy=camera.live)

    def stop(self):
        """End after the frame at hand; safe in a signal handler."""
        self.stopped = True

    def run(self):
        """Run to the end; raises what the camera or the model raises, and of a file also what a sink raises."""
        capture = threading.Thread(target=self._capture, name="capture", daemon=True)
        with contextlib.ExitStack() as stack:
            capture.start()
            # A camera that hangs in its driver must not keep the process: its thread is a daemon.
            stack.callback(capture.join, self.camera.STALL + 1)
            stack.callback(self.slot.close)
            stack.callback(self.ending.set)
            for sink in self.sinks:
                outlet = Outlet(sink, self.camera.live, Backoff(self.retry))
                self.outlets.append(outlet)
                stack.push(lambda kind, error, trace, outlet=outlet: outlet.close(error))
            self._infer()

    def _capture(self):
        try:
            with self.camera, contextlib.closing(iter(self.camera)) as frames:
                for frame in frames:
                    if not self.slot.put(frame):
                        break
        except BaseException as error:
            self.slot.close(error)
        self.slot.close()

    def _infer(self):
        previous = None
        live, total = self.camera.live, min(filter(None, (len(self.camera), self.limit)), default=0)
        with Status(self) as status:
            for frame in self._frames() if live else progress(self._frames(), "frames", total):
                detections = self._detections(frame)
                for outlet in self.outlets:
                    outlet.put(frame, detections)
                self.frames, self.found = self.frames + 1, self.found + len(detections)
                if live:
                    self.dropped += frame.number - previous - 1 if previous is not None else 0
                    previous = frame.number
                    status(frame, detections)

    def _frames(self):
        due = time.monotonic()
        while not self.stopped and not self.slot.ended and self.frames != self.limit:
            early = due - time.monotonic()
            if early > 0:
                time.sleep(min(early, TICK))
            elif frame := self.slot.get(TICK):
                due = max(due + self.period, time.monotonic())
                yield frame

    def _detections(self, frame):
        begin = time.perf_counter()
        if self.gate and not self.gate(frame.rgb) and self.looked is not None:
            self.gated += 1
            spent = (time.perf_counter() - begin) * 1e3
            found = replace(self.looked, ms={"gate": spent, "total": spent})
        else:
            found = self.looked = self.model(frame.rgb, frame.content)
        if self.tracker:
            found = self.tracker(frame, found)
        return found.above(self.threshold)


class Status(Line):
    """How a live loop is doing."""

    def __init__(self, loop):
        super().__init__()
        self.loop, self.frames = loop, 0

    def __call__(self, frame, detections):
        """Say it, when it is time."""
        if not self.due():
            return
        fps = (self.loop.frames - self.frames) / (time.monotonic() - self.said)
        self.frames = self.loop.frames
        age = "" if frame.stamp is None else f"{(time.monotonic_ns() - frame.stamp) / 1e6:.0f} ms old, "
        self.say(
            f"{fps:.1f} fps, {age}{detections.ms.get('total', 0):.0f} ms a frame, {len(detections)} in sight, "
            f"{self.loop.dropped} dropped, {self.loop.gated} gated"
        )
