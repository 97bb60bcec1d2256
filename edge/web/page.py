"""The web page as a sink."""

import os
import sys
from importlib import resources
from pathlib import Path

import cv2

from edgemask.errors import MissingLibrary, OutputError
from edgemask.record import record_line
from edgemask.sinks.sink import Sink
from edgemask.web.access import Access
from edgemask.web.metrics import Metrics

WIDEST, QUALITY = 1280, 80


class WebPage(Sink):
    """The live picture at /, its pictures and records at /live, /healthz and /metrics.

    A picture is encoded once for all viewers, and not at all while nobody looks; masks and boxes are drawn by the
    browser, from the record. silence: seconds without a frame that /healthz puts up with. Raises MissingLibrary, and
    OutputError where it cannot listen.
    """

    def __init__(self, access: Access, silence: float = 10.0):
        super().__init__()
        try:
            from edgemask.web.server import Server
        except ImportError as error:
            raise MissingLibrary("--web needs websockets: pip install 'edgemask[web]'") from error
        self.access, self.metrics, self.encoded = access, Metrics(silence), 0
        self.html = resources.files("edgemask.web").joinpath("page.html").read_text()
        self.listen, self.server = lambda: Server(access, self._answer), None

    def __str__(self):
        return "web page"

    def __enter__(self) -> "WebPage":
        self.server = self.listen()
        try:
            self.server.start()
        except OSError as error:
            raise OutputError(f"{self} cannot listen at {self.access}: {error.strerror or error}") from error
        print(f"{self} at {self.access.link(self.server.port)}", file=sys.stderr)
        return self

    def __exit__(self, *_):
        self.server.stop()

    def write(self, frame, detections):
        """Show the frame to whoever looks; never waits for them."""
        self.metrics.count(frame, detections)
        if self.server.viewers:
            self.encoded += 1
            self.server.show(record_line(frame, detections) + jpeg(frame.rgb), frame.stamp)

    def _answer(self, path, viewers):
        if path == "/":
            _note_opening()
            return 200, "text/html", self.html
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4", self.metrics.text(viewers, self.encoded)
        if path == "/healthz":
            trouble = self.metrics.trouble()
            return (503, "text/plain", f"{trouble}\n") if trouble else (200, "text/plain", "ok\n")
        return None


def _note_opening():
    """Leave a file in the service's runtime folder: a card made by `edgemask flash` then forgets the link it showed."""
    if folder := os.environ.get("RUNTIME_DIRECTORY"):
        Path(folder, "page-opened").touch()


def jpeg(rgb) -> bytes:
    """A frame, uint8 [height, width, 3], as JPEG, at most `WIDEST` pixels wide."""
    if rgb.shape[1] > WIDEST:
        rgb = cv2.resize(rgb, (WIDEST, round(rgb.shape[0] * WIDEST / rgb.shape[1])), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
