"""Comparing the speed of two jobs on a machine that others use, too."""

import statistics
import time
from collections.abc import Callable

WARM_UP = 5


def time_ratio(first: Callable, second: Callable, rounds: int) -> tuple[float, float, float]:
    """The first job's time through the second's, over rounds in which both run, in turn first and second:
    (median, lower quartile, upper quartile). Above 1 the second is faster."""
    pairs = [_pair(first, second, swap=bool(index % 2)) for index in range(rounds + WARM_UP)]
    low, middle, high = statistics.quantiles((one / other for one, other in pairs[WARM_UP:]), n=4)
    return round(middle, 3), round(low, 3), round(high, 3)


def _pair(first, second, swap):
    order = (second, first) if swap else (first, second)
    times = []
    for job in order:
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return tuple(reversed(times)) if swap else tuple(times)
