"""A camera without a device, for tests of what comes after one."""

import time
from collections.abc import Iterator

import numpy as np

from edgemask.cameras.camera import Camera
from edgemask.cameras.frame import Frame
from edgemask.cameras.pace import Pace
from edgemask.errors import SourceError


class FakeCamera(Camera):
    """A moving picture that is the same every time, with the faults of real cameras where a test wants them.

    >>> for frame in FakeCamera(frames=100, vanish_at={50}):
    ...     ...

    pictures: uint8 [height, width, 3] RGB, shown in turn (default: a gradient of 640×480 that wanders to
    the left); fps: as a real camera gives them, late frames skipped (default: each as soon as it is asked
    for); frames: how many in all (default: without end). stall_at: {frame: seconds} of silence before it;
    vanish_at: frames instead of which SourceError is raised, once: iterating again goes on after it.
    """

    live, source = True, "fake"

    def __init__(self, pictures=None, fps=None, frames=None, stall_at=(), vanish_at=()):
        self.pictures = pictures
        self.fps, self.frames, self.number = fps, frames, 0
        self.stall_at, self.vanish_at = dict(stall_at), set(vanish_at)

    def __iter__(self) -> Iterator[Frame]:
        pace = Pace(self.fps) if self.fps else lambda number: (number, time.monotonic_ns())
        while True:
            number, stamp = pace(self.number)
            if self.frames is not None and number >= self.frames:
                return
            due = range(self.number, number + 1)
            self.number = number + 1
            for at in due:
                self._fail(at)
            yield self._frame(self._picture(number), number, stamp)

    def _fail(self, number):
        silence = self.stall_at.pop(number, 0.0)
        time.sleep(min(silence, self.STALL))
        if silence >= self.STALL:
            raise SourceError(f"{self.source} gave no frame for {self.STALL:g} s")
        if number in self.vanish_at:
            self.vanish_at.remove(number)
            raise SourceError(f"{self.source} is gone")

    def _picture(self, number):
        if self.pictures is not None:
            return self.pictures[number % len(self.pictures)]
        y, x = np.ogrid[:480, :640]
        return np.stack(np.broadcast_arrays((x + 4 * number) % 256, y % 256, 128), axis=2).astype(np.uint8)
