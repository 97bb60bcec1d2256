"""A bounded queue between two threads."""

import threading
from collections import deque


class Channel:
    """At most `size` items on their way from one thread to another.

    A full one makes `put` wait; a `lossy` one throws its oldest item away instead and counts it in `lost`.
    """

    def __init__(self, size: int, lossy: bool):
        self.size, self.lossy, self.lost = size, lossy, 0
        self.items, self.closed, self.error = deque(), False, None
        self.changed = threading.Condition()

    def put(self, item) -> bool:
        """Hand an item over; False once closed, or the error it was closed with."""
        with self.changed:
            if self.lossy and len(self.items) == self.size:
                self.items.popleft()
                self.lost += 1
            self.changed.wait_for(lambda: self.closed or len(self.items) < self.size)
            if self.error:
                raise self.error
            if self.closed:
                return False
            self.items.append(item)
            self.changed.notify_all()
            return True

    def get(self, timeout: float | None = None):
        """The next item; None after `timeout` seconds or at the end, or the error it was closed with."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.items, timeout)
            if self.items:
                item = self.items.popleft()
                self.changed.notify_all()
                return item
            if self.error:
                raise self.error
            return None

    @property
    def ended(self) -> bool:
        """Closed without an error, and everything taken out."""
        return self.closed and not self.items and not self.error

    def close(self, error: BaseException | None = None):
        """Take nothing more; the first error it is closed with reaches both ends."""
        with self.changed:
            self.closed, self.error = True, self.error or error
            self.changed.notify_all()
