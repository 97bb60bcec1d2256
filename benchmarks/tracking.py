"""How well ids stay with people: switches and fragmentations on made-up scenes and on clips counted by hand.

    python -m edgemask.benchmarks.tracking [--clip one-by-one-person-detection.mp4 --clip again.mkv] [--json]

A switch is a frame in which somebody's id is another than their last one; a fragmentation, somebody in the picture who
has an id, then none, then one again (Milan et al. 2016, MOT16). Whoever leaves and comes back counts as somebody new.
"""

import argparse
import hashlib
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np

import edgemask
from edgemask import boxes
from edgemask.cameras import Frame, open_camera
from edgemask.command import exit_code
from edgemask.detections import Detections
from edgemask.errors import SourceError
from edgemask.progress import progress
from edgemask.tracking import Tracker

SIZE, FPS = (640, 480), 10.0
# Counted by looking at every frame: the first and the last in which any of each person can be seen.
CLIPS = {
    "a5964aa259099a482a8b360ffc2c57b5a30f84d5919236a4dad01f8e929ac07c":  # one-by-one-person-detection.mp4
        [(60, 198), (227, 449), (502, 700), (745, 870), (921, 1201), (1234, 1360)],
    "e6c640c718e26f2ace77fd36cade8cd10d0ccfc27fa59ce1e6be549e9235f882": [(0, 76)],  # again.mkv
}  # fmt: skip


def walker(start, speed, first=0, last=60, hidden=(), size=(60, 160), class_id=0):
    """Somebody's box by frame number, None while out of sight: starts at (x, y), pixels a frame; hidden: frames."""

    def box(number):
        centre = np.array(start) + (number - first) * np.array(speed)
        if not first <= number < last or number in hidden or not np.all((0 <= centre) & (centre < SIZE)):
            return None
        return np.concatenate([centre - np.array(size) / 2, centre + np.array(size) / 2])

    return box, class_id


def _crowd(count=8):
    random = np.random.default_rng(5)
    return [walker((random.uniform(60, 580), 60 + 50 * i), (random.uniform(-7, 7), 0), size=(40, 90)) for i in range(count)]


GAPS = [0, 3, 4, 8, 13, 15, 20, 25, 30, 32, 37, 42, 44]
# name: (who, frames that come, share of sightings missed, share of weak ones)
SCENES = {
    "crossing": ([walker((60, 240), (9, 0)), walker((580, 250), (-9, 0), hidden=range(25, 33))], range(60), 0, 0),
    "occlusion": ([walker((60, 240), (9, 0), hidden=range(20, 33))], range(60), 0, 0),
    "stops while hidden": ([walker((300, 240), (0, 0), hidden=range(20, 38))], range(60), 0, 0),
    "leaves and returns": ([walker((400, 240), (12, 0)), walker((630, 240), (-12, 0), first=30)], range(60), 0, 0),
    "two classes": ([walker((200, 240), (5, 0)), walker((204, 244), (5, 0), class_id=1)], range(60), 0, 0),
    "frames dropped": ([walker((60, 240), (9, 0)), walker((580, 120), (-9, 0))], GAPS, 0, 0),
    "weak and missed": ([walker((60, 240), (8, 0)), walker((580, 120), (-8, 0))], range(60), 0.1, 0.3),
    "crowd": (_crowd(), range(60), 0.05, 0.1),
}  # fmt: skip


def scene(name: str):
    """A made-up scene: each frame, its detections, and who each of them is."""
    who, numbers, missed, weak = SCENES[name]
    random = np.random.default_rng(1)
    for number in numbers:
        truth = [i for i, (box, _) in enumerate(who) if box(number) is not None and random.random() >= missed]
        truth = random.permutation(np.array(truth, int))
        found = np.array([who[i][0](number) + random.normal(0, 2, 4) for i in truth]).reshape(-1, 4)
        scores = np.where(random.random(len(truth)) < weak, 0.35, 0.9)
        classes = np.array([who[i][1] for i in truth], np.int64)
        grids = np.ones((len(truth), 28, 28), np.float32)
        frame = Frame(np.empty((*SIZE[::-1], 0), np.uint8), name, number, FPS)
        yield frame, Detections(found.astype(np.float32), scores, classes, grids, SIZE, ("person", "dog")), truth


def count(seen: dict[int, list[int]]) -> dict:
    """Switches and fragmentations, of each person's id (or 0) in every frame in which they can be seen."""
    held = {person: [id for id in ids if id] for person, ids in seen.items()}
    return {
        "people": len(seen),
        "tracked": sum(map(bool, held.values())),
        "ids": len(set().union(*held.values())),
        "switches": sum(a != b for ids in held.values() for a, b in pairwise(ids)),
        "fragmentations": sum(max(0, sum(bool(b) > bool(a) for a, b in pairwise([0, *ids])) - 1) for ids in seen.values()),
    }


def on_scene(name: str) -> dict:
    """The figures of a made-up scene."""
    tracker, seen = Tracker(), {}
    for frame, detections, truth in scene(name):
        ids = dict(zip(truth, tracker(frame, detections).track_ids, strict=True))
        for person, (box, _) in enumerate(SCENES[name][0]):
            if box(frame.number) is not None:
                seen.setdefault(person, []).append(int(ids.get(person, 0)))
    return count(seen)


def on_clip(path: Path, every: int = 1) -> dict:
    """The figures of a clip whose people come one by one, of which every so many frames are looked at.

    What is found while nobody is in sight is furniture, wherever it is found again. The person is the instance that
    keeps their id, else the largest (they may be boxed twice). false: share of the frames without anybody in which
    somebody is found; other_ids: what furniture and second boxes were called.
    """
    try:
        people = CLIPS.get(hashlib.sha256(Path(path).read_bytes()).hexdigest())
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    if people is None:
        raise SourceError(f"{path} is none of the clips whose people were counted")
    model, tracker, looks = edgemask.load(), Tracker(), []
    with open_camera(path) as camera:
        for frame in progress(camera, "frames"):
            if frame.number % every == 0:
                who = next((i for i, (first, last) in enumerate(people) if first <= frame.number <= last), None)
                looks.append((who, tracker(frame, model(frame.rgb)).above(0.5)))
    return _judged(looks)


def _judged(looks):
    """The figures of (who is in sight, or None; what was found), a pair for each frame."""
    nobody = [found.boxes for who, found in looks if who is None]
    furniture, seen, called = np.concatenate([np.empty((0, 4)), *nobody]), {}, set()
    for who, found in looks:
        called |= set(found.track_ids.tolist()) - {0}
        if who is not None:
            largest = np.argsort(-boxes.area(found.boxes))
            real = [row for row in largest if not (boxes.iou(found.boxes[row], furniture) > 0.5).any()]
            ids = found.track_ids[real].tolist()
            before = next((id for id in reversed(seen.setdefault(who, [])) if id), 0)
            seen[who].append(before if before in ids else next(iter(ids), 0))
    others = called - {id for ids in seen.values() for id in ids}
    false = sum(len(found) > 0 for found in nobody) / max(1, len(nobody))
    return {**count(seen), "other_ids": len(others), "false": false}


def main():
    """Print a row for each scene."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.tracking", description=__doc__.splitlines()[0])
    it.add_argument("--clip", action="append", default=[], type=Path, metavar="FILE",
                    help="intel-iot-devkit's one-by-one-person-detection.mp4 or again.mkv; may be repeated")  # fmt: skip
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    rows = {name: on_scene(name) for name in SCENES}
    for path in options.clip:
        rows |= {f"{path.stem[:12]}, 1 in {every}": on_clip(path, every) for every in (1, 2, 5)}
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'':20} people  tracked  ids  switches  fragmentations  other ids  false")
    for name, row in rows.items():
        figures = [row[key] for key in ("people", "tracked", "ids", "switches", "fragmentations")]
        clip = "{:10} {:6.0%}".format(row["other_ids"], row["false"]) if "false" in row else ""
        print("{:20} {:6} {:8} {:4} {:9} {:15}".format(name, *figures), clip)


if __name__ == "__main__":
    sys.exit(exit_code(main))
