"""One process of a benchmark: loads a model, looks at frames for some seconds, says what it saw.

Reads a line of JSON, {"bundle", "engine", "threads", "dense", "seconds", "camera"}, from standard input. Writes what it is
about to do, a word a line, to standard output, and last a line of JSON.
"""

import json
import sys
import time

import edgemask
from edgemask.benchmarks.latency import HEADLINE, PEOPLE
from edgemask.benchmarks.latency.camera import ages
from edgemask.benchmarks.latency.scenes import Scenes, photograph

COLD = 10  # frames after the first; kernels, caches and the allocator settle
WARM = 1.0  # seconds that pass uncounted before steady state
LEAST = 5  # frames of each scene


def timed(look) -> dict[str, float]:
    """Milliseconds of a frame by stage, from its pixels to its COCO records, and in total."""
    start = time.perf_counter()
    found = look()
    middle = time.perf_counter()
    found.coco()
    end = time.perf_counter()
    parts = {part: ms for part, ms in found.ms.items() if part != "total"}
    return {**parts, "records": (end - middle) * 1e3, "total": (end - start) * 1e3}


def cold(spec) -> tuple[Scenes, dict]:
    """A model just loaded, and {"runs", "load_ms", "first_ms", "cold_ms" [COLD]}."""
    say("load")
    rgb = photograph()
    start = time.perf_counter()
    model = edgemask.load(spec["bundle"], spec["engine"], spec["threads"], spec["dense"])
    load_ms = (time.perf_counter() - start) * 1e3
    first_ms = timed(lambda: model(rgb))["total"]
    scenes = Scenes(model)
    scenes.tell(HEADLINE)
    cold_ms = [timed(scenes.look)["total"] for _ in range(COLD)]
    return scenes, {"runs": str(scenes.told["trunk"]), "load_ms": load_ms, "first_ms": first_ms, "cold_ms": cold_ms}


def steady(scenes: Scenes, seconds: float) -> dict:
    """{"ms": {stage: [one a frame]}, "cpu": cores used, "seconds"}."""
    until(time.monotonic() + min(WARM, seconds), lambda: timed(scenes.look))
    say("steady")
    begin, used = time.monotonic(), time.process_time()
    rows = until(begin + seconds, lambda: timed(scenes.look))
    elapsed, used = time.monotonic() - begin, time.process_time() - used
    return {"ms": {stage: [round(row[stage], 3) for row in rows] for stage in rows[0]},
            "cpu": used / elapsed, "seconds": elapsed}  # fmt: skip


def people(scenes: Scenes, seconds: float) -> dict[int, list[float]]:
    """Milliseconds of frames with each number of people, the scenes in turn."""
    say("people")
    end, found = time.monotonic() + seconds, {count: [] for count in PEOPLE}
    while time.monotonic() < end or len(found[PEOPLE[-1]]) < LEAST:
        for count in PEOPLE:
            scenes.tell(count)
            timed(scenes.look)  # the heads' buffers change their size
            found[count].append(round(timed(scenes.look)["total"], 3))
    return found


def until(end: float, job) -> list:
    """What a job returns each time, until the time is over; once at least."""
    found = [job()]
    while time.monotonic() < end:
        found.append(job())
    return found


def say(word):
    """Tell the parent what comes now."""
    print(word, flush=True)


def main():
    """The whole process."""
    spec = json.loads(sys.stdin.readline())
    if spec["camera"]:
        say("camera")
        found = ages(spec)
    else:
        scenes, found = cold(spec)
        found |= steady(scenes, spec["seconds"])
        found |= {"people": people(scenes, spec["seconds"] / 5)}
    with open("/proc/self/status") as status:
        high = next(line for line in status if line.startswith("VmHWM"))
    say(json.dumps({**found, "peak_rss_mib": round(int(high.split()[1]) / 1024, 1)}))


if __name__ == "__main__":
    main()
