"""Latency per device: measured in several processes, with what the machine was like, and whether it counts."""

from dataclasses import dataclass

SCHEMA = "edgemask.bench/1"
# The frame of every figure: 640×480, as a camera gives it, with so many people in it that no count is an accident.
FRAME, PEOPLE, HEADLINE = (640, 480), (0, 1, 5, 10, 20), 10


@dataclass(frozen=True)
class Mode:
    """How long is measured: `processes` one after the other, `seconds` in steady state in each."""

    name: str
    processes: int
    seconds: float


# MLPerf Tiny: five runs of at least ten seconds, the median of the five. MLPerf Inference, single stream: at least 600
# seconds, the 90th percentile as early stopping estimates it; here in five processes, because one alone hides their noise.
QUICK, FULL = Mode("quick", 5, 10.0), Mode("full", 5, 120.0)
