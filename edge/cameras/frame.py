"""One frame, as every camera gives it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np


@dataclass(frozen=True)
class Frame:
    """rgb: uint8 [height, width, 3]; source: its file name or camera; number: from 0; fps: the stream's
    rate, None for a still picture; time: when it was captured; age_ms: known for live cameras."""

    rgb: np.ndarray
    source: str
    number: int
    fps: float | None = None
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    age_ms: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]
