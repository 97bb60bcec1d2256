"""What machine this is."""

import os
import platform
import shutil
import subprocess
import sys
from functools import cache, cached_property
from pathlib import Path


class Device:
    """What a machine tells of itself; a fact that it does not tell is "" or None.

    root: where its files lie, so that a made-up Pi can be a folder; path: where its commands are looked up (default
    $PATH); python: the interpreter that `python` runs.
    """

    def __init__(self, root="/", path: str | None = None, python: str = sys.executable):
        self.root, self.path, self.interpreter = Path(root), path, python

    def text(self, name: str) -> str:
        """The content of a file, such as `proc/cpuinfo`."""
        try:
            return (self.root / name).read_text(errors="replace").strip("\0\n ")
        except OSError:
            return ""

    @property
    def model(self) -> str:
        return self.text("proc/device-tree/model")

    @property
    def is_pi(self) -> bool:
        return self.model.startswith("Raspberry Pi")

    @property
    def system(self) -> str:
        """The name of its operating system."""
        lines = dict(line.split("=", 1) for line in self.text("etc/os-release").splitlines() if "=" in line)
        return lines.get("PRETTY_NAME", "").strip('"')

    @property
    def bits(self) -> int | None:
        """32 or 64: what this process is made for; a Pi's kernel may be 64-bit where its programs are not."""
        try:
            with (self.root / "proc/self/exe").open("rb") as program:
                return {b"\x7fELF\x01": 32, b"\x7fELF\x02": 64}.get(program.read(5))
        except OSError:
            return None

    @cached_property
    def cpu_flags(self) -> frozenset[str]:
        """The CPU's features as Linux lists them."""
        lines = self.text("proc/cpuinfo").splitlines()
        found = (line.partition(":")[2] for line in lines if line.lower().startswith(("flags", "features")))
        return frozenset(next(found, "").split())

    @property
    def governor(self) -> str:
        return self.text("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")

    @property
    def temperature(self) -> float | None:
        """The CPU's temperature in °C."""
        text = self.text("sys/class/thermal/thermal_zone0/temp")
        return int(text) / 1000 if text.lstrip("-").isdecimal() else None

    @property
    def memory(self) -> dict[str, int]:
        """Bytes by the names of /proc/meminfo: MemTotal, MemAvailable, CmaTotal …"""
        rows = (line.split() for line in self.text("proc/meminfo").splitlines())
        return {row[0].rstrip(":"): int(row[1]) << 10 for row in rows if len(row) == 3}

    @property
    def free_disk(self) -> int:
        """Bytes that are free where its files lie."""
        return shutil.disk_usage(self.root).free

    @property
    def video_devices(self) -> list[str]:
        """The names of its V4L2 devices: cameras, but codecs and ISPs too."""
        folders = sorted((self.root / "sys/class/video4linux").glob("video*"))
        return [self.text(str(folder.relative_to(self.root) / "name")) for folder in folders]

    @property
    def throttled(self) -> int | None:
        """The firmware's bits: 0 under-voltage, 1 capped, 2 throttled, 3 too warm; 16 to 19 the same, since it started."""
        said = self.run("vcgencmd", "get_throttled").partition("0x")[2]
        return int(said, 16) if said else None

    @property
    def clock_set(self) -> bool | None:
        """Whether the clock has been set over the network."""
        return {"yes": True, "no": False}.get(self.run("timedatectl", "show", "--property=NTPSynchronized", "--value"))

    def run(self, command: str, *arguments: str) -> str:
        """What a command writes to standard output; "" where there is none or it fails."""
        found = shutil.which(command, path=self.path)
        if not found:
            return ""
        try:
            return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=10).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            return ""

    def python(self, program: str) -> subprocess.CompletedProcess:
        """A program run by another Python, which may die of it; a negative `returncode` is the signal."""
        return subprocess.run([self.interpreter, "-c", program], capture_output=True, text=True)


@cache
def cpu_flags() -> frozenset[str]:
    """This CPU's feature flags as Linux lists them; empty elsewhere."""
    return Device().cpu_flags


def temperature() -> float | None:
    """This CPU's temperature in °C; None where Linux does not tell."""
    return Device().temperature


def saturates_int8() -> bool:
    """Whether ONNX Runtime's fast int8 kernels may saturate here: x86 without VNNI (u8 × s8 sums in 16 bits)."""
    x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    return x86 and not cpu_flags() & {"avx512_vnni", "avx_vnni"}


def default_threads() -> int:
    """All cores but one, which the camera and the sinks need."""
    return max(1, (os.cpu_count() or 1) - 1)
