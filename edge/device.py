"""What machine this is."""

import os
import platform
from functools import cache
from pathlib import Path


@cache
def cpu_flags() -> frozenset[str]:
    """The CPU's feature flags as Linux lists them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    found = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
    return frozenset(next(found, "").split())


def saturates_int8() -> bool:
    """Whether ONNX Runtime's fast int8 kernels may saturate here: x86 without VNNI (u8 × s8 sums in 16 bits)."""
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    return x86 and not cpu_flags() & {"avx512_vnni", "avx_vnni"}


def default_threads() -> int:
    """All cores but one, which the camera and the sinks need."""
    return max(1, (os.cpu_count() or 1) - 1)


def temperature() -> float | None:
    """The CPU's temperature in °C; None where Linux does not tell."""
    try:
        return int(Path("/sys/class/thermal/thermal_zone0/temp").read_text()) / 1000
    except (OSError, ValueError):
        return None
