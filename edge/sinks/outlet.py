"""What stands between the loop and a sink."""

import contextlib
import logging
import threading
import time
from dataclasses import replace

from edgemask.backoff import Backoff
from edgemask.channel import Channel
from edgemask.errors import EdgemaskError

log = logging.getLogger(__name__)

QUEUE = 4  # frames; each is a whole picture in memory
PATIENCE = 5.0  # seconds a sink has to finish after a live loop has ended


class Outlet:
    """A sink behind a bounded queue and a thread of its own, so that a slow one holds nobody up.

    With `live`, a full queue loses its oldest frame, and a sink that fails is opened again with backoff, said
    once; without, `put` waits for room, and the sink's error comes out of the next `put` or of `close`.
    `lost` counts the frames that this sink did not get.
    """

    def __init__(self, sink, live: bool, backoff: Backoff):
        self.sink, self.live, self.backoff = sink, live, backoff
        self.queue, self.missed, self.last = Channel(QUEUE, lossy=live), 0, None
        self.retry_at = None  # on the monotonic clock, while the sink is broken
        sink.__enter__()
        self.thread = threading.Thread(target=self._work, name=str(sink), daemon=True)
        self.thread.start()

    @property
    def lost(self) -> int:
        return self.queue.lost + self.missed

    def put(self, frame, detections):
        """Queue a result."""
        self.queue.put((frame, detections))

    def close(self, error: BaseException | None = None):
        """Write what is queued and close the sink, which drops half-written files when there was an error."""
        self.queue.close(error)
        self.thread.join(PATIENCE if self.live else None)
        if self.thread.is_alive():
            log.warning("%s still was not done %g s after the end", self.sink, PATIENCE)
        elif self.queue.error and error is None:
            raise self.queue.error

    def _work(self):
        write = self._try if self.live else self.sink.write
        try:
            while (result := self.queue.get()) is not None:
                write(*result)
            if self.retry_at is None:
                self._finish()
        except BaseException as error:
            with contextlib.suppress(Exception):
                self.sink.__exit__(type(error), error, None)
            self.queue.close(error)

    def _finish(self):
        try:
            self.sink.__exit__(None, None, None)
        except Exception as error:
            if not self.live:
                raise
            log.warning("%s", self._said(error))

    def _try(self, frame, detections):
        if self.retry_at is not None and time.monotonic() < self.retry_at:
            self.missed += 1
            return
        try:
            if self.retry_at is not None:
                self.sink.__enter__()
            self.sink.write(self._aged(frame), detections)
        except BrokenPipeError:  # whoever read standard output has gone, for good
            raise
        except Exception as error:
            self._break(error)
            return
        self.last = frame.number
        if self.retry_at is not None:
            log.warning("%s works again", self.sink)
            self.retry_at = None
            self.backoff.reset()

    def _aged(self, frame):
        age = None if frame.stamp is None else round((time.monotonic_ns() - frame.stamp) / 1e6, 1)
        dropped = 0 if self.last is None else frame.number - self.last - 1
        return replace(frame, age_ms=age, dropped=dropped)

    def _break(self, error):
        with contextlib.suppress(Exception):
            self.sink.__exit__(type(error), error, None)
        self.missed += 1
        if self.retry_at is None:
            log.warning("%s; trying again until it works", self._said(error))
        self.retry_at = time.monotonic() + self.backoff()

    def _said(self, error):
        """What a sink raises on purpose speaks for itself; of anything else its kind must be seen."""
        return error if isinstance(error, EdgemaskError) else f"{self.sink} failed with {type(error).__name__}: {error}"
