"""A benchmark from beginning to end: processes one after the other, the machine watched meanwhile, one result."""

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime

from edgemask.benchmarks.latency import FRAME, HEADLINE, PEOPLE, SCHEMA, Mode
from edgemask.benchmarks.latency import figures as statistic
from edgemask.benchmarks.latency.facts import facts
from edgemask.benchmarks.latency.sampler import Sampler
from edgemask.benchmarks.latency.verdict import verdict
from edgemask.bundle import Bundle
from edgemask.device import Device
from edgemask.errors import EdgemaskError
from edgemask.progress import progress

WORKER = [sys.executable, "-m", "edgemask.benchmarks.latency.worker"]


class WorkerError(EdgemaskError, RuntimeError):
    """A process of a benchmark that failed."""

    exit_code = 1


def measure(device: Device, bundle: Bundle, engines, threads, mode: Mode, camera: str | None = None, dense=False) -> dict:
    """The result, as the schema has it, but for its accuracy; raises WorkerError.

    Every engine and number of threads gets `mode.processes` processes, in turn, so that what happens on the machine
    happens to all of them.
    """
    known, configurations = facts(device), [(engine, count) for engine in engines for count in threads]
    spec = {"bundle": str(bundle.path), "dense": dense, "seconds": mode.seconds, "camera": None}
    found = [[] for _ in configurations]
    ages = [None] * len(configurations)
    jobs = [index for _ in range(mode.processes) for index in range(len(configurations))]
    with Sampler(device) as sampler:
        for index in progress(jobs, "processes"):
            engine, count = configurations[index]
            found[index].append(_process({**spec, "engine": engine, "threads": count}, sampler, index))
        for index in range(len(configurations)) if camera else ():
            engine, count = configurations[index]
            ages[index] = _process({**spec, "engine": engine, "threads": count, "camera": camera}, sampler, index)
    runs = [
        {"engine": engine, "threads": count, "runs": found[index][0]["runs"], "instructions": None,
         "latency": _latency(found[index], _of(sampler.samples, index), ages[index])}
        for index, (engine, count) in enumerate(configurations)
    ]  # fmt: skip
    noise = max(run["latency"]["noise_percent"] for run in runs)
    return {**head(known, bundle, dense), "mode": vars(mode), "runs": runs, "timeline": sampler.samples,
            "verdict": verdict(known, sampler.samples, mode, noise)}  # fmt: skip


def head(known: dict, bundle: Bundle, dense: bool = False) -> dict:
    """What any result begins with: the machine, the model, the work of a frame."""
    manifest = bundle.manifest
    return {
        "schema": SCHEMA, "time": datetime.now(UTC).isoformat(timespec="seconds"), "device": label(known), "facts": known,
        "bundle": {"name": manifest["name"], "precision": manifest["precision"],
                   "input": [manifest["input"]["width"], manifest["input"]["height"]],
                   "sha256": hashlib.sha256(bundle.path.read_bytes()).hexdigest()},
        "workload": {"frame": list(FRAME), "people": HEADLINE, "proposals": manifest["proposals"]["keep"],
                     **({"dense": True} if dense else {})},
    }  # fmt: skip


def label(known: dict) -> str:
    """What people call this machine, and that it is none where that is so."""
    value = {name: fact["value"] for name, fact in known.items()}
    kind = [text for text in (value["virtual"], value["emulated"] and f"emulated: {value['emulated']}") if text]
    return ", ".join([value["model"] or value["cpu"] or "an unnamed machine", *kind])


def _process(spec, sampler, index) -> dict:
    """What one worker found; the sampler knows what it is about."""
    line = ""
    with tempfile.TemporaryFile("w+") as said, subprocess.Popen(
        WORKER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
    ) as process:
        sampler.measured, sampler.run_index = process.pid, index
        try:
            process.stdin.write(json.dumps(spec) + "\n")
            process.stdin.close()
            for line in process.stdout:
                if not line.startswith("{"):
                    sampler.phase = line.strip()
        except BaseException:
            process.kill()
            raise
        finally:
            sampler.phase, sampler.measured, sampler.run_index = "idle", None, None
        if process.wait():
            said.seek(0)
            last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
            raise WorkerError(f"a process with engine {spec['engine']} ended with {process.returncode}: {last}")
    return json.loads(line)


def _of(samples, index):
    return [sample for sample in samples if sample["run"] == index and sample["phase"] == "steady"]


def _latency(processes, samples, age) -> dict:
    every = {stage: [value for one in processes for value in one["ms"][stage]] for stage in processes[0]["ms"]}
    p50 = statistic.between([statistics.median(one["ms"]["total"]) for one in processes])
    resident = [sample["rss_mib"] for sample in samples if sample["rss_mib"] is not None]
    return {
        **{key: statistic.between([one[key] for one in processes]) for key in ("load_ms", "first_ms")},
        "cold_ms": statistic.between([statistics.median(one["cold_ms"]) for one in processes]),
        "p50_ms": p50,
        "noise_percent": round(100 * (p50["high"] - p50["low"]) / p50["median"], 1),
        "p90_early_stopping_ms": statistic.early_stopping(every["total"]),
        "ms": {stage: statistic.summary(values) for stage, values in every.items()},
        "histogram": statistic.histogram(every["total"]),
        "people": _people(processes),
        "cpu_cores": round(statistics.mean(one["cpu"] for one in processes), 2),
        "rss_mib": {"peak": max(one["peak_rss_mib"] for one in processes),
                    "mean": round(statistics.mean(resident), 1) if resident else None},
        "joules_per_frame": _joules(processes, samples),
        "frame_age": _age(age) if age else None,
    }  # fmt: skip


def _people(processes):
    medians = [[statistics.median(one["people"][str(count)]) for count in PEOPLE] for one in processes]
    return {
        "counts": list(PEOPLE),
        "p50_ms": [statistic.between(values) for values in zip(*medians, strict=True)],
        "ms_per_person": statistic.between([statistic.slope(PEOPLE, values) for values in medians]),
    }


def _joules(processes, samples):
    watts = [sample["watts"] for sample in samples if sample["watts"] is not None]
    frames = sum(len(one["ms"]["total"]) for one in processes)
    seconds = sum(one["seconds"] for one in processes)
    return round(statistics.mean(watts) * seconds / frames, 4) if watts else None


def _age(found):
    return {"ms": statistic.summary(found["age_ms"]), "dropped": found["dropped"],
            "fps": round(len(found["age_ms"]) / found["seconds"], 1)}  # fmt: skip
