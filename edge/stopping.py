"""Ending a live run well when somebody stops it."""

import contextlib
import signal
import threading
from collections.abc import Callable


@contextlib.contextmanager
def stopping(stop: Callable[[], None]):
    """Within the block SIGTERM, SIGINT and SIGHUP call `stop`; a second signal does what it did before.

    Outside the main thread, where Python takes no signals, nothing happens.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}

    def handler(number, _):
        stop()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
