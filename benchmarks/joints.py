"""Joints of the dense head against joints marked by hand on twenty frames of a clip, and how they tremble.

    OPENBLAS_NUM_THREADS=1 python -m edgemask.benchmarks.joints one-by-one-person-detection.mp4 [--json]

The clip is Intel's (CC BY 4.0, github.com/intel-iot-devkit/sample-videos). An error is the distance to the mark, trembling the
second difference of a joint's place over three frames in a row; both in per cent of the box's height. Each frame is looked at
for itself; the row `tracked` is what the same frames give with a tracker, as in `edgemask run --track`.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import edgemask
from edgemask.arguments import ENGINE_NAMES
from edgemask.bundle import SHIPPED
from edgemask.cameras import open_camera
from edgemask.command import exit_code
from edgemask.errors import SourceError
from edgemask.joints import GUESSED, joints
from edgemask.progress import progress
from edgemask.tracking import Tracker

MARKS = Path(__file__).with_name("joints.json")
SCORE = 0.5


def measure(clip, model) -> dict:
    """{"joints": {joint: {"marked", "found", "median", "p90", "within_10"}}, "tremble": {"median", "p90"}}, with a row of joints
    for `all`, one for the `sure`, those found with more confidence than a guess has, and one for all if they are `tracked`."""
    marks = {int(number): found for number, found in json.loads(MARKS.read_text())["frames"].items()}
    errors = {name: [] for found in marks.values() for name in found}
    seen, sure, tracked, tracker = {}, [], [], Tracker(SCORE)
    for frame in progress(open_camera(clip), "frames"):
        people = model(frame.rgb)
        seen[frame.number], held = _best(people), _best(tracker(frame, people))
        for name, place in marks.get(frame.number, {}).items():
            error, confidence = _error(*seen[frame.number], name, place)
            errors[name].append(error)
            tracked.append(_error(*held, name, place)[0])
            if confidence > GUESSED:
                sure.append(error)
    if lacking := marks.keys() - seen.keys():
        raise SourceError(f"{clip} has no frame {min(lacking)}, so it is not the clip whose frames were marked")
    every = [error for row in errors.values() for error in row]
    tremble = list(_tremble(seen))
    quantiles = dict(zip(("median", "p90"), np.percentile(tremble, [50, 90]).round(2).tolist(), strict=True)) if tremble else None
    rows = {**errors, "all": every, "sure": sure, "tracked": tracked}
    return {"joints": {name: _row(row) for name, row in rows.items() if row}, "tremble": quantiles}


def _best(detections):
    """(Joints of the best person, their box's height); none, 1 where there is nobody."""
    best = detections.above(SCORE)[:1]
    if not len(best):
        return {}, 1.0
    return joints(*next(best.iuv_crops())), float(best.boxes[0, 3] - best.boxes[0, 1])


def _error(found, height, name, place):
    """(How far a joint is from its mark, inf where it was not found; its confidence)."""
    x, y, confidence = found.get(name, (np.inf, np.inf, 0))
    return 100 * np.hypot(x - place[0], y - place[1]) / height, confidence


def _tremble(seen):
    for number in seen:
        if number - 1 in seen and number + 1 in seen:
            (before, _), (now, height), (after, _) = (seen[number + step] for step in (-1, 0, 1))
            for name in before.keys() & now.keys() & after.keys():
                bend = np.add(before[name][:2], after[name][:2]) - 2 * np.array(now[name][:2])
                yield 100 * np.linalg.norm(bend) / height


def _row(errors):
    found = [error for error in errors if np.isfinite(error)]
    median, p90 = np.percentile(found, [50, 90]).round(2).tolist() if found else (None, None)
    within = sum(error <= 10 for error in errors) / len(errors)
    return {"marked": len(errors), "found": len(found), "median": median, "p90": p90, "within_10": round(100 * within, 1)}


def main():
    """Print the table."""
    it = argparse.ArgumentParser(prog="python -m edgemask.benchmarks.joints", description=__doc__.splitlines()[0])
    it.add_argument("clip", help="one-by-one-person-detection.mp4")
    it.add_argument("bundle", nargs="?", default=SHIPPED, help="default: the shipped person model")
    it.add_argument("--engine", choices=ENGINE_NAMES, default="auto")
    it.add_argument("--json", action="store_true")
    options = it.parse_args()
    result = measure(options.clip, edgemask.load(options.bundle, options.engine, dense=True))
    if options.json:
        print(json.dumps(result))
        return
    print(f"{'':15}{'marked':>8}{'found':>8}{'median %':>10}{'p90 %':>8}{'within 10 %':>13}")
    for name, row in result["joints"].items():
        median, p90 = ("-" if row[key] is None else f"{row[key]:.1f}" for key in ("median", "p90"))
        print(f"{name:15}{row['marked']:8}{row['found']:8}{median:>10}{p90:>8}{row['within_10']:12.1f}%")
    if result["tremble"]:
        print("trembling, % of the box's height: median {median:.2f}, p90 {p90:.2f}".format(**result["tremble"]))


if __name__ == "__main__":
    sys.exit(exit_code(main))
