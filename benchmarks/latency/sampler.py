"""What the machine does while it is measured: clock, temperature, throttle bits, power, and who else uses it."""

import os
import re
import threading
import time

from edgemask.benchmarks.latency.facts import CPUFREQ
from edgemask.device import Device

TICKS = os.sysconf("SC_CLK_TCK")
RAIL = re.compile(r"(\w+)_([AV]) (?:current|volt)\(\d+\)=([\d.]+)[AV]")


class Sampler(threading.Thread):
    """Looks at the machine every `period` seconds, from a process that measures nothing itself.

    >>> with Sampler(Device()) as sampler:
    ...     sampler.phase, sampler.measured = "steady", process.pid

    phase, run_index: what is going on and in which run, kept with each sample; measured: the process whose CPU time
    and memory are ours. samples: {"t" (s), "phase", "run", "mhz", "celsius", "throttled" (the firmware's bits),
    "watts", "rss_mib", "others" (cores that other programs and the host took since the sample before)}, None for
    what cannot be read.
    """

    def __init__(self, device: Device, period: float = 1.0):
        super().__init__(name="sampler", daemon=True)
        self.device, self.period = device, period
        self.phase, self.measured, self.run_index = "idle", None, None
        self.samples, self.start_time, self.ended = [], time.monotonic(), threading.Event()
        self.before = None

    def __enter__(self) -> "Sampler":
        self.sample()
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()
        self.sample()

    def run(self):
        """Sample until the block ends."""
        while not self.ended.wait(self.period):
            self.sample()

    def sample(self):
        """Look once."""
        process, phase, index = self.measured, self.phase, self.run_index
        self.samples.append({
            "t": round(time.monotonic() - self.start_time, 2), "phase": phase, "run": index, "mhz": clock(self.device),
            "celsius": self.device.temperature, "throttled": self.device.throttled, "watts": watts(self.device),
            "rss_mib": _resident(process), "others": self._others(process),
        })  # fmt: skip

    def _others(self, process):
        now = time.monotonic(), _busy(self.device), process, _own(process)
        before, self.before = self.before, now
        if before is None or None in (now[1], before[1]) or before[2] != process:
            return None
        return round(max(0.0, (now[1] - before[1] - now[3] + before[3]) / (now[0] - before[0])), 2)


def clock(device: Device) -> int | None:
    """The CPU's clock in MHz: the firmware's measure where there is one (cpufreq repeats what was asked for)."""
    measured = device.run("vcgencmd", "measure_clock", "arm").partition("=")[2]
    if measured.isdecimal():
        return round(int(measured) / 1e6)
    asked = device.text(f"{CPUFREQ}/scaling_cur_freq")
    return int(asked) // 1000 if asked.isdecimal() else None


def watts(device: Device) -> float | None:
    """The sum over the rails that a Pi 5's power chip measures; less than at the plug."""
    rails = {}
    for name, unit, value in RAIL.findall(device.run("vcgencmd", "pmic_read_adc")):
        rails.setdefault(name, {})[unit] = float(value)
    pairs = [rail["A"] * rail["V"] for rail in rails.values() if len(rail) == 2]
    return round(sum(pairs), 3) if pairs else None


def _busy(device):
    """Seconds that all cores were not idle since the start, the host's share of a virtual machine among them."""
    line = device.text("proc/stat").partition("\n")[0].split()
    if len(line) < 9:
        return None
    user, nice, system, _, _, interrupts, soft, steal = map(int, line[1:9])
    return (user + nice + system + interrupts + soft + steal) / TICKS


def _own(process):
    """CPU seconds of this process, of its children that ended, and of the one it measures."""
    return sum(os.times()[:4]) + _process_seconds(process)


def _process_seconds(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS
    except OSError:
        return 0.0


def _resident(process):
    try:
        with open(f"/proc/{process}/statm") as file:
            return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
    except OSError:
        return None
