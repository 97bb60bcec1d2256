"""Whether a run may be compared with others, and why not."""

import statistics

from edgemask.benchmarks.latency import QUICK, Mode
from edgemask.doctor.board import SINCE_START, SLOWED, UNDER_VOLTAGE

OTHERS = 0.2  # cores
SLOW, OFTEN = 0.95, 0.1  # of the highest clock, of the samples
HOT = 80.0  # °C, where a Pi's firmware begins to slow it down
NOISY = 10.0  # per cent between processes


def verdict(found: dict, samples: list[dict], mode: Mode, noise: float) -> dict:
    """{"comparable", "reasons" why not, "notes" worth knowing}: sentences.

    found: what `facts` gives; samples: a `Sampler`'s; noise: per cent between the processes' medians, the worst run's.
    """
    steady = [sample for sample in samples if sample["phase"] == "steady"]
    known = {name: fact["value"] for name, fact in found.items()}
    reasons = [*_machine(known), *_length(mode), *_others(steady), *_throttled(samples), *_heat(steady), *_clock(known, steady)]
    reasons += _unseen(known, samples)
    return {"comparable": not reasons, "reasons": reasons, "notes": [*_unread(steady), *_worth_knowing(samples, steady, noise)]}


def sentence(said: dict) -> str:
    """The verdict in a line."""
    return "comparable" if said["comparable"] else f"not comparable: {'; '.join(said['reasons'])}"


def _machine(known):
    if known["emulated"]:
        yield f"emulated ({known['emulated']})"
    if known["virtual"]:
        yield "a virtual machine, whose host may be busy unseen"


def _length(mode):
    if mode.processes == 0:
        yield "instructions counted, no time measured"
    elif mode.processes < QUICK.processes or mode.seconds < QUICK.seconds:
        yield f"too short ({mode.processes} × {mode.seconds:g} s, a quick run is {QUICK.processes} × {QUICK.seconds:g} s)"


def _others(steady):
    if (taken := _each(steady, "others")) and (mean := statistics.mean(taken)) > OTHERS:
        yield f"background load (others took {mean:.1f} cores on average)"


def _throttled(samples):
    bits = _each(samples, "throttled")
    if not bits:
        return
    now, since = 0, (bits[-1] & ~bits[0]) >> SINCE_START
    for one in bits:
        now |= one
    for mask, what in ((UNDER_VOLTAGE, "under-voltage"), (SLOWED, "throttled by the firmware")):
        if (now | since) & mask:
            yield f"{what} (bits {bits[0]:#x} before, {max(bits):#x} at worst)"


def _heat(steady):
    if (celsius := _each(steady, "celsius")) and max(celsius) >= HOT:
        yield f"hot ({celsius[0]:.0f} °C at first, {max(celsius):.0f} °C at most; a Pi slows down from {HOT:.0f} °C)"


def _clock(known, steady):
    governor, clocks = known["governor"], _each(steady, "mhz")
    highest = known["highest_mhz"] or max(clocks, default=0)
    slow = [one for one in clocks if one < SLOW * highest]
    if len(slow) > OFTEN * len(clocks):
        by = f", governor {governor}" if governor and governor != "performance" else ""
        yield f"slow clock (down to {min(slow)} of {highest} MHz in {100 * len(slow) / len(clocks):.0f} % of the samples{by})"
    elif governor and governor != "performance" and not clocks:
        yield f"governor {governor}, and the clock cannot be read"


def _unseen(known, samples):
    if str(known["model"]).startswith("Raspberry Pi") and not _each(samples, "throttled"):
        yield "the firmware's throttle bits cannot be read (vcgencmd; the user must be in the group video)"


def _unread(steady):
    names = {"mhz": "clock", "celsius": "temperature", "throttled": "throttle bits", "others": "background load"}
    if steady and (missing := [name for key, name in names.items() if not _each(steady, key)]):
        yield f"not readable here: {', '.join(missing)}"


def _worth_knowing(samples, steady, noise):
    if noise > NOISY:
        yield f"the medians of its processes lie {noise:.0f} % apart"
    if (bits := _each(samples, "throttled")) and bits[0] >> SINCE_START:
        yield f"the firmware slowed it down before this run, since it started ({bits[0]:#x})"
    if (celsius := _each(steady, "celsius")) and HOT > celsius[-1] > celsius[0] + 5:
        yield f"it was still warming up, {celsius[0]:.0f} to {celsius[-1]:.0f} °C: --full says more"


def _each(samples, key):
    return [sample[key] for sample in samples if sample[key] is not None]
