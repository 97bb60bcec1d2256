"""A result of `edgemask bench` from an emulated Pi: what it says it is, and instructions in the place of times."""

import json

from edgemask.benchmarks.emulated import count
from edgemask.benchmarks.emulated.machine import Pi
from edgemask.benchmarks.latency import Mode
from edgemask.benchmarks.latency.session import head
from edgemask.benchmarks.latency.verdict import verdict
from edgemask.bundle import Bundle
from edgemask.progress import progress

# What a program under QEMU sees of these is not the board's.
HOST = ("memory_mib", "swap_mib", "kernel")


def counted_result(pi: Pi) -> dict:
    """The shipped bundle's result, as the schema has it; raises EmulationError."""
    bundle, known = Bundle(), json.loads(pi.check("edgemask", "bench", "--facts"))
    for name in HOST:
        known[name] = {"value": None, "source": known[name]["source"], "reason": "under QEMU it is the emulating machine's"}
    runs = []
    for engine in progress(bundle.engines(), f"counting on {pi.board.name}"):
        found = count.parts(pi, engine)
        runs.append({"engine": engine, "threads": 1, "runs": found["runs"], "latency": None, "instructions": found["parts"]})
    mode = Mode("counted", 0, 0)
    return {**head(known, bundle), "device": f"{pi.board.name}, emulated by QEMU", "mode": vars(mode), "runs": runs,
            "timeline": [], "accuracy": {}, "verdict": verdict(known, [], mode, 0.0)}  # fmt: skip
