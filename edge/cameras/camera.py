"""What every camera is."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from edgemask.cameras.frame import Frame


class Camera:
    """Anything that gives frames: a context manager to iterate over once.

    >>> with Camera.open("picamera2") as camera:
    ...     for frame in camera:
    ...         print(frame.number, model(frame.rgb))

    live: frames come at their own pace and only the newest matters; a live camera that gives nothing
    for `STALL` seconds, or vanishes, raises SourceError. source: its name in records; fps: frames a
    second, None for still pictures; skipped: how many frames could not be read so far.
    """

    STALL = 5.0
    live = False
    fps: float | None = None
    source = ""
    skipped = 0

    @staticmethod
    def open(source: str, **options) -> "Camera":
        """The camera for a SOURCE; see `edgemask.cameras.open_camera`."""
        from edgemask.cameras import open_camera

        return open_camera(source, **options)

    def __iter__(self) -> Iterator[Frame]:
        raise NotImplementedError

    def __len__(self) -> int:
        """Frames in all: known for pictures, estimated for a video, 0 for a live camera."""
        return 0

    def __bool__(self) -> bool:
        return True  # although a live camera's length is 0

    def close(self):
        """Give the device back; closing twice is fine."""

    def __enter__(self) -> "Camera":
        return self

    def __exit__(self, *_):
        self.close()

    def _frame(self, rgb: np.ndarray, number: int, stamp: int, content: np.ndarray | None = None) -> Frame:
        """A live camera's frame, captured at `stamp` on `time.monotonic_ns`'s clock and handed out now."""
        age_ms = (time.monotonic_ns() - stamp) / 1e6
        captured = datetime.now(UTC) - timedelta(milliseconds=age_ms)
        age_ms = round(age_ms, 1)
        return Frame(rgb, self.source, number, self.fps, captured, stamp, age_ms, content, capture_age_ms=age_ms)
