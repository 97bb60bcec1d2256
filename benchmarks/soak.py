"""A long live run, and what becomes of one when something breaks.

    python -m edgemask.benchmarks.soak [--frames 100000] [--real 300] [--faults "disk full" …] [--scale 0.1] [--json]

First a fake camera through a model and a tracker to all sinks: the real networks for some frames, their canned answers for the
others, with memory, open files and the age of results watched. Then each fault, and which promises were kept.
Exit code 1 when one was broken.
"""

import argparse
import contextlib
import json
import os
import resource
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np

import edgemask
from edgemask import pictures
from edgemask.arguments import count
from edgemask.benchmarks import faults
from edgemask.benchmarks.mosquitto import Mosquitto
from edgemask.benchmarks.viewer import address_of, look
from edgemask.bundle import SHIPPED
from edgemask.cameras import FakeCamera
from edgemask.cli import ENVIRONMENT
from edgemask.command import exit_code
from edgemask.loop import Loop
from edgemask.sinks.broker import Broker
from edgemask.sinks.jsonl import JsonLines
from edgemask.sinks.maps import SemanticMaps
from edgemask.sinks.mqtt import Mqtt
from edgemask.sinks.recording import Recording
from edgemask.sinks.server import JsonServer
from edgemask.sinks.sink import Sink
from edgemask.tracking import Tracker
from edgemask.web.access import Access
from edgemask.web.page import WebPage
from edgemask.zones import Zone

FPS, SIZE = 250, (320, 240)
# What an allocator may still settle by after the first half, and no leak of a frame or a file stays under.
RSS_MIB, FILES = 4.0, 1


class Watch(Sink):
    """Samples this process twice a second; keeps every frame's age in ms. Maps would fill the disk: it removes them."""

    def __init__(self, frames: int, maps: Path):
        super().__init__()
        self.ages, self.samples, self.maps, self.due = np.zeros(frames), [], maps, 0.0
        self.count = 0

    def write(self, frame, detections):
        self.ages[self.count] = frame.age_ms
        self.count += 1
        if time.monotonic() > self.due:
            self.due = time.monotonic() + 0.5
            self.samples.append((self.count, rss_mib(), len(os.listdir("/proc/self/fd"))))
            for path in list(self.maps.glob("*/[0-9]*.png"))[:-10]:
                path.unlink(missing_ok=True)


def rss_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def canned(model, rgb) -> edgemask.Model:
    """The model with engines that answer as they do for this picture, at no cost."""
    answers = {}
    for stage, engine in model.engines.items():
        model.engines[stage] = lambda values, key=stage, engine=engine: answers.setdefault((key, len(values)), engine(values))
    model(rgb)
    model.engines = {stage: lambda values, stage=stage: answers[stage, len(values)] for stage in model.engines}
    return model


def steady(folder: Path, frames: int, real: int) -> dict:
    """Run for so many frames, the first `real` with the real networks; the figures."""
    rgb = cv2.resize(pictures.read(SHIPPED.parent / "astronaut.jpg"), SIZE)
    moving = [np.roll(rgb, 4 * step, axis=1) for step in range(80)]
    networks, cheap, looked = edgemask.load(), canned(edgemask.load(), rgb), 0

    def model(rgb, content):
        nonlocal looked
        looked += 1
        return (networks if looked <= real else cheap)(rgb, content)

    watch = Watch(frames, folder)
    with contextlib.ExitStack() as stack:
        loop = Loop(FakeCamera(moving, FPS), model, [*_sinks(folder, stack), watch], tracker=Tracker(), limit=frames)
        reader = threading.Thread(target=_read_all, args=(folder / "s",), daemon=True)
        page = next(sink for sink in loop.sinks if isinstance(sink, WebPage))
        viewer = threading.Thread(target=_look, args=(page,), daemon=True)
        reader.start(), viewer.start()
        loop.run()
        reader.join(60), viewer.join(60)
    sinks = [type(sink).__name__ for sink in loop.sinks]
    return {"frames": loop.frames, "real": min(real, frames), "sinks": sinks, "viewed": page.encoded, **_figures(watch)}


def _sinks(folder, stack):
    """All of them; MQTT where mosquitto is installed."""
    sinks = [JsonLines(folder / "masks.jsonl", append=True, rotate=1 << 22), JsonServer(f"unix:{folder / 's'}")]
    if Mosquitto.path():
        broker = stack.enter_context(Mosquitto())
        zone = Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1)))
        sinks.append(Mqtt(Broker.parse(broker.url), ("person",), "soak", [zone], frames=True))
    return [*sinks, WebPage(Access("127.0.0.1:0")), Recording(folder), SemanticMaps(folder)]


def _read_all(path):
    faults.until(path.exists)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        while client.recv(1 << 16):
            pass


def _look(page):
    faults.until(lambda: address_of(page))
    for _ in look(address_of(page)):
        pass


def _figures(watch):
    ages = watch.ages[: watch.count]
    tenth = max(1, len(ages) // 10)
    frames, rss, files = np.array(watch.samples[len(watch.samples) // 2 :]).T
    first, last = ages[:tenth], ages[-tenth:]
    return {
        "rss_mib": [round(rss[0], 1), round(rss[-1], 1)], "rss_mib_per_10k_frames": _slope(frames, rss),
        "files": [int(files[0]), int(files[-1])], "files_per_10k_frames": _slope(frames, files),
        "age_ms_start": _percentiles(first), "age_ms_end": _percentiles(last),
        "kept": bool(rss[-1] - rss[0] <= RSS_MIB and files[-1] - files[0] <= FILES),
    }  # fmt: skip


def _slope(frames, values):
    return round(float(np.polyfit(frames, values, 1)[0]) * 10_000, 3) if len(frames) > 1 else 0.0


def _percentiles(ages):
    return {"p50": round(float(np.percentile(ages, 50)), 1), "p99": round(float(np.percentile(ages, 99)), 1)}


def report(result):
    """Print both parts as people read them."""
    if run := result["steady"]:
        print(f"{run['frames']} frames, {run['real']} of them through the real networks, to {', '.join(run['sinks'])},")
        print(f"{run['viewed']} of them looked at on the web page; second half:")
        print(f"  memory      {run['rss_mib'][0]} → {run['rss_mib'][1]} MiB, {run['rss_mib_per_10k_frames']:+} per 10,000 frames")
        print(f"  open files  {run['files'][0]} → {run['files'][1]}, {run['files_per_10k_frames']:+} per 10,000 frames")
        for tenth, part in (("first", "start"), ("last", "end")):
            age = run[f"age_ms_{part}"]
            print(f"  age of a result, {tenth} tenth: p50 {age['p50']} ms, p99 {age['p99']} ms")
    if not result["faults"]:
        return
    print(f"\n{'fault':20}  {'promised':36}  kept")
    for row in result["faults"]:
        print(f"{row['fault']:20}  {row['promised']:36}  {'yes' if row['kept'] else 'NO'}")


def _length(text):
    return 0 if text == "0" else count(text)


def main() -> int:
    """Print the figures and the table; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.soak", description=__doc__.splitlines()[0])
    it.add_argument("--frames", type=_length, default=100_000, help="length of the long run, 0 for none (default 100000)")
    it.add_argument("--real", type=_length, default=300, help="how many of them run the real networks (default 300)")
    it.add_argument("--faults", nargs="*", choices=faults.FAULTS, metavar="FAULT", help=f"only these: {', '.join(faults.FAULTS)}")
    it.add_argument("--scale", type=float, default=1.0, help="shortens the five seconds of a stall")
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    if options.scale <= 0:
        it.error("--scale must be above 0")
    if not Mosquitto.path() and "broker gone" in (faults.FAULTS if options.faults is None else options.faults):
        it.error("the fault 'broker gone' needs mosquitto: apt install mosquitto, or name other --faults")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with tempfile.TemporaryDirectory() as folder:
        run = steady(Path(folder), options.frames, options.real) if options.frames else None
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {"fault": fault, "promised": promised, "kept": kept}
            for fault, promises in faults.check(Path(folder), options.scale, options.faults)
            for promised, kept in promises
        ]
    result = {"steady": run, "faults": rows}
    print(json.dumps(result)) if options.json else report(result)
    return 0 if all(row["kept"] for row in rows) and (not run or run["kept"]) else 1


if __name__ == "__main__":
    sys.exit(exit_code(main))
