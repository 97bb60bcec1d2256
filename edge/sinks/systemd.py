"""Telling systemd how a service is doing, over the datagram socket of sd_notify(3)."""

import os
import socket
import time

from edgemask.sinks.sink import Sink


class Systemd(Sink):
    """READY with the first frame, then WATCHDOG as long as frames come, four times in systemd's patience.

    address: $NOTIFY_SOCKET, a path or, after an @, an abstract name; patience: $WATCHDOG_USEC, or None for no watchdog.
    """

    def __init__(self, address: str, patience: str | None = None):
        super().__init__()
        self.address, self.pause, self.due = address, int(patience or 0) / 4e6, 0.0

    def __enter__(self):
        self.due = 0.0
        return self

    def __exit__(self, *_):
        self._say("STOPPING=1")

    def write(self, frame, detections):
        if self.due and (not self.pause or time.monotonic() < self.due):
            return
        self.due = time.monotonic() + self.pause
        self._say(f"READY=1\nWATCHDOG=1\nSTATUS=frame {frame.number}, {len(detections)} in sight")

    def _say(self, state):
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(state.encode(), address)

    def __str__(self):
        return "systemd"


def from_environment() -> list[Sink]:
    """The sink that systemd asks this process for, if it does."""
    address = os.environ.get("NOTIFY_SOCKET")
    return [Systemd(address, os.environ.get("WATCHDOG_USEC"))] if address else []
