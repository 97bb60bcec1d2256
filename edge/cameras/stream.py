"""USB cameras and network streams through OpenCV: always the newest frame."""

import contextlib
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import cv2

from edgemask.cameras.camera import Camera
from edgemask.cameras.frame import Frame
from edgemask.errors import SourceError


# (hflip, vflip): OpenCV's code for it
_FLIPS = {(False, False): None, (True, False): 1, (False, True): 0, (True, True): -1}


class Stream(Camera):
    """A camera index, /dev/videoN, or the address of an RTSP or HTTP stream.

    A thread reads all that the device gives and keeps the newest frame, so gaps in the numbers are frames
    that nobody took. User, password and query of an address are kept out of `source` and messages.
    """

    live = True

    def __init__(self, source: str, hflip: bool = False, vflip: bool = False):
        self.source, self.flip = _public(source), _FLIPS[hflip, vflip]
        limit = round(1000 * self.STALL)
        if "://" in source:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, limit, cv2.CAP_PROP_READ_TIMEOUT_MSEC, limit]
            self.capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, limits)
        else:
            self.capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
        if not self.capture.isOpened():
            raise SourceError(f"camera {self.source} cannot be opened: is it there, and not in use elsewhere?")
        self.capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self.fps = self.capture.get(cv2.CAP_PROP_FPS) or 30.0
        self.news, self.newest, self.ended, self.closed = threading.Condition(), None, False, False
        self.thread = threading.Thread(target=self._read, name=f"reader of {self.source}", daemon=True)
        self.thread.start()

    def _read(self):
        number = 0
        with contextlib.suppress(cv2.error):  # a picture damaged on its way
            while not self.closed:
                given, bgr = self.capture.read()
                if not given:
                    break
                with self.news:
                    self.newest = bgr, number, time.monotonic_ns()
                    self.news.notify()
                number += 1
        self.capture.release()
        with self.news:
            self.ended = True
            self.news.notify()

    def __iter__(self) -> Iterator[Frame]:
        while not self.closed:
            with self.news:
                if not self.news.wait_for(lambda: self.newest or self.ended, self.STALL):
                    raise SourceError(f"camera {self.source} gave no frame for {self.STALL:g} s")
                if not self.newest:
                    raise SourceError(f"camera {self.source} is gone: it ended or was unplugged")
                (bgr, number, stamp), self.newest = self.newest, None
            rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
            yield self._frame(rgb if self.flip is None else cv2.flip(rgb, self.flip), number, stamp)

    def close(self):
        self.closed = True
        self.thread.join(self.STALL)


def _public(source):
    """What of a SOURCE may be shown: an address without user, password and query."""
    if "://" not in source:
        return source
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
