"""How old a camera's frames are when their results are there."""

import threading
import time
from pathlib import Path

import edgemask
from edgemask.cameras import open_camera
from edgemask.loop import Loop
from edgemask.sinks.sink import Sink


class Ages(Sink):
    """Milliseconds from a frame's capture to its COCO records."""

    def __init__(self):
        super().__init__()
        self.ms = []

    def write(self, frame, detections):
        """Take one frame."""
        detections.coco()
        self.ms.append((time.monotonic_ns() - frame.stamp) / 1e6)


def ages(spec: dict) -> dict:
    """{"age_ms" [one a frame], "seconds", "dropped"} of some seconds of the live loop.

    spec: "bundle", "engine", "threads", "dense", "camera" (a file plays at its own pace), "seconds". Raises SourceError.
    """
    model = edgemask.load(spec["bundle"], spec["engine"], spec["threads"], spec["dense"])
    camera = open_camera(spec["camera"], input_size=(model.width, model.height), paced=Path(spec["camera"]).is_file())
    sink = Ages()
    loop = Loop(camera, model, [sink])
    timer = threading.Timer(spec["seconds"], loop.stop)
    timer.start()
    start = time.monotonic()
    loop.run()
    timer.cancel()
    return {"age_ms": sink.ms, "seconds": time.monotonic() - start, "dropped": loop.dropped}
