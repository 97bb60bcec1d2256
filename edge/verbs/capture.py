"""edgemask capture: record calibration pictures on the device."""

import json
import sys
import time
from pathlib import Path

import cv2

from edgemask import pictures
from edgemask.arguments import count, parser
from edgemask.cameras import SOURCES
from edgemask.cameras.options import camera_options, source_from
from edgemask.errors import SourceError
from edgemask.files import replacing
from edgemask.perceptual import Novelty
from edgemask.progress import Line
from edgemask.stopping import stopping


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    with source_from(options).open() as camera:
        capture = Capture(options.out, options.frames, options.patience)
        with stopping(capture.stop):
            capture.run(camera)
    result = {"folder": str(options.out), "seen": capture.seen, "kept": capture.kept,
              "near_duplicates": capture.seen - capture.kept, "unreadable": camera.skipped, "ended": capture.reason}  # fmt: skip
    code = 2 if camera.skipped else 0
    if options.json:
        print(json.dumps(result))
        return code
    print(f"kept {capture.kept} of {capture.seen} frames in {options.out}; the others were near-duplicates of what is there")
    print(f"ended because {capture.reason}")
    if camera.skipped:
        print(f"{camera.skipped} of {len(camera)} could not be read", file=sys.stderr)
    return code


class Capture:
    """Keeps the frames of a camera that look like nothing in the folder yet, as PNG files.

    seen, kept: frames so far; reason: why it ended.
    """

    def __init__(self, folder: Path, wanted: int, patience: float):
        self.folder, self.wanted, self.patience = folder, wanted, patience
        self.new, self.seen, self.kept = Novelty(), 0, 0
        self.reason, self.stopped = "the source did", False
        for path in sorted(folder.glob("*.png")):
            self.new(pictures.read(path))

    def stop(self):
        """End after the frame at hand; safe in a signal handler."""
        self.stopped = True

    def run(self, camera):
        """Look at frames until enough are kept, or nothing new came for `patience` seconds of a live camera."""
        news = time.monotonic()
        with Line() as line:
            for frame in camera:
                self.seen += 1
                if self.new(frame.rgb):
                    self._keep(frame)
                    news = time.monotonic()
                if reason := self._reason(camera.live, time.monotonic() - news):
                    self.reason = reason
                    return
                if line.due():
                    line.say(f"{self.kept} of {self.wanted} kept, {self.seen} seen")
        if not self.seen:
            raise SourceError(f"{camera.source} gave no frames")

    def _reason(self, live, dull):
        if self.stopped:
            return "it was stopped"
        if self.kept == self.wanted:
            return f"{self.wanted} different pictures are enough"
        return f"nothing new came for {self.patience:g} s" if live and dull > self.patience else None

    def _keep(self, frame):
        with replacing(self.folder / f"{frame.time:%Y%m%dT%H%M%S.%fZ}-{frame.number}.png") as temporary:
            temporary.write_bytes(cv2.imencode(".png", cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR))[1])
        self.kept += 1


def _options(arguments):
    it = parser(
        "capture", "Record pictures for calibration: different ones only, as PNG.",
        "edgemask capture picamera2 -o pictures; then, on a workstation, edgemask convert … --calibration pictures",
    )  # fmt: skip
    it.add_argument("source", metavar="SOURCE", help=SOURCES)
    it.add_argument("-o", "--out", required=True, type=Path, metavar="DIR",
                    help="folder for the pictures; what is in it already is not recorded again")  # fmt: skip
    it.add_argument("--frames", type=count, default=128, metavar="N", help="how many to keep (default 128)")
    it.add_argument("--patience", type=count, default=120, metavar="S",
                    help="end when a camera showed nothing new for S seconds (default 120)")  # fmt: skip
    it.add_argument("--json", action="store_true", help="print the counts as JSON")
    camera_options(it)
    return it.parse_args(arguments)
