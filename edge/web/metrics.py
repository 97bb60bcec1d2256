"""How the run is doing, for Prometheus and for health checks."""

import time
from importlib import metadata

from edgemask import device


class Metrics:
    """Counts what reaches the page; silence: seconds without a frame after which something must be wrong."""

    def __init__(self, silence: float = 10.0):
        self.silence, self.began, self.last = silence, time.monotonic(), None
        self.frames = self.dropped = self.instances = 0
        self.age_ms, self.stages = None, {}  # stage: (milliseconds so far, how often)

    def count(self, frame, detections):
        """Take one frame into account."""
        self.last, self.frames, self.dropped = time.monotonic(), self.frames + 1, self.dropped + frame.dropped
        self.instances, self.age_ms = len(detections), frame.age_ms
        for stage, ms in detections.ms.items():
            total, times = self.stages.get(stage, (0.0, 0))
            self.stages[stage] = total + ms, times + 1

    def trouble(self) -> str | None:
        """Why nothing can be seen just now, in a few words; None when all is well."""
        quiet = time.monotonic() - (self.began if self.last is None else self.last)
        if self.last is None:
            return f"no frame yet, {quiet:.0f} s after the start"
        return f"no frame for {quiet:.0f} s" if quiet > self.silence else None

    def text(self, viewers: int, encoded: int) -> str:
        """Prometheus' text exposition format."""
        families = [
            ("info", "gauge", "What runs here.", [(f'{{version="{metadata.version("edgemask")}"}}', 1)]),
            ("frames_total", "counter", "Frames with a result.", [("", self.frames)]),
            ("frames_dropped_total", "counter", "Frames the camera gave that never came here.", [("", self.dropped)]),
            ("instances", "gauge", "Instances in the newest frame.", [("", self.instances)]),
            ("frame_age_seconds", "gauge", "Age of the newest frame when its result was known.",
             [] if self.age_ms is None else [("", round(self.age_ms / 1e3, 4))]),
            ("stage_seconds", "summary", "Time per frame in each stage, and in total.", list(_stages(self.stages.copy()))),
            ("temperature_celsius", "gauge", "Temperature of the processor.",
             [] if (celsius := device.temperature()) is None else [("", celsius)]),
            ("web_viewers", "gauge", "Viewers of the web page.", [("", viewers)]),
            ("web_pictures_encoded_total", "counter", "Pictures encoded for viewers.", [("", encoded)]),
        ]  # fmt: skip
        return "".join(_family(f"edgemask_{name}", *rest) for name, *rest in families)


def _stages(stages):
    for stage, (ms, times) in stages.items():
        yield f'_sum{{stage="{stage}"}}', round(ms / 1e3, 6)
        yield f'_count{{stage="{stage}"}}', times


def _family(name, kind, text, samples):
    if not samples:
        return ""
    lines = "".join(f"{name}{suffix} {value}\n" for suffix, value in samples)
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{lines}"
