"""Playing frames at a rate, as a camera gives them."""

import time


class Pace:
    """A camera's clock: from the first call on, one frame every 1 / fps seconds whether or not anyone takes it."""

    def __init__(self, fps: float):
        self.period, self.start = 1e9 / fps, None

    def __call__(self, number: int) -> tuple[int, int]:
        """Wait until frame `number` is due; returns the newest frame's number by then and its stamp in ns."""
        now = time.monotonic_ns()
        if self.start is None:
            self.start = now - round(number * self.period)
        newest = max(number, int((now - self.start) / self.period))
        stamp = self.start + round(newest * self.period)
        time.sleep(max(0, stamp - now) / 1e9)
        return newest, stamp
