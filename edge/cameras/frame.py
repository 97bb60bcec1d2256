"""One frame, as every camera gives it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One picture and where it comes from.

    rgb: uint8 [height, width, 3]; source: its file name or camera; number: the source's own count, from 0:
    a gap is frames that were dropped; fps: the stream's rate, None for a still picture; time: when it was
    captured; stamp: the same moment on `time.monotonic_ns`'s clock, None where age means nothing (files);
    capture_age_ms: its age when the camera handed it out; age_ms: the same, and in a sink when it is written; content: the frame
    already resized to `letterbox.content_size` where the camera's ISP does that, uint8 RGB; dropped: how many
    frames since the one before never came to that sink.
    """

    rgb: np.ndarray
    source: str
    number: int
    fps: float | None = None
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    stamp: int | None = None
    age_ms: float | None = None
    content: np.ndarray | None = None
    dropped: int = 0
    capture_age_ms: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]
