"""A live camera that comes back."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgemask.backoff import Backoff
from edgemask.cameras.camera import Camera
from edgemask.cameras.frame import Frame
from edgemask.errors import SourceError

log = logging.getLogger(__name__)


class Reopening(Camera):
    """The frames of a live camera which is opened again, with backoff, whenever it stalls or vanishes.

    Numbers go on where they stopped: what an outage cost nobody knows. Each outage is one sentence in the log, and
    its end another. ending: an event that cuts the waiting short. Raises SourceError when it gives no first frame.
    """

    live = True

    def __init__(self, camera: Camera, reopen: Callable[[], Camera], backoff: Backoff, ending: threading.Event):
        self.camera, self.reopen, self.backoff, self.ending = camera, reopen, backoff, ending
        self.source, self.fps = camera.source, camera.fps

    def __iter__(self) -> Iterator[Frame]:
        last, away = -1, False
        while not self.ending.is_set():
            try:
                with self.reopen() if self.camera is None else self.camera as camera:
                    shift = None
                    for frame in camera:
                        shift = max(0, last + 1 - frame.number) if shift is None else shift
                        last = frame.number + shift
                        if away:
                            log.warning("%s gives frames again", self.source)
                            self.backoff.reset()
                            away = False
                        yield replace(frame, number=last)
                return  # a clip played as a camera ends
            except SourceError as error:
                if last < 0:
                    raise
                if not away:
                    log.warning("%s; trying again until it is back", error)
                away, self.camera = True, None
            self.ending.wait(self.backoff())
