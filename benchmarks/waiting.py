"""Waiting for what other threads and processes do."""

import time


def until(true, seconds=60.0) -> bool:
    """Wait until it is true, a minute at most; whether it is."""
    end = time.monotonic() + seconds
    while not (done := true()) and time.monotonic() < end:
        time.sleep(0.01)
    return bool(done)
