"""Statistics of latencies."""

import math
import statistics

import numpy as np

PERCENTILES = {"min": 0, "p50": 50, "p90": 90, "p99": 99, "max": 100}
BINS = 48


def summary(values) -> dict[str, float]:
    """{"count", "min", "p50", "p90", "p99", "max", "mean"} of milliseconds."""
    found = np.percentile(values, list(PERCENTILES.values()))
    return {"count": len(values), **{name: _round(value) for name, value in zip(PERCENTILES, found, strict=True)},
            "mean": _round(np.mean(values))}  # fmt: skip


def between(values) -> dict[str, float]:
    """{"median", "low", "high"}: one figure of several processes, and the least and most any of them gave."""
    return {"median": _round(statistics.median(values)), "low": _round(min(values)), "high": _round(max(values))}


def histogram(values) -> dict[str, list]:
    """{"edges" [BINS + 1], "counts" [BINS]}, up to thrice the median or the 99.5th percentile.

    The last bin holds everything beyond, too.
    """
    top = min(np.percentile(values, 99.5), 3 * np.median(values))
    edges = np.linspace(min(values), max(top, 1.01 * min(values)), BINS + 1)
    counts, _ = np.histogram(np.minimum(values, edges[-1]), edges)
    return {"edges": [_round(edge) for edge in edges], "counts": counts.tolist()}


def early_stopping(values, percentile: float = 0.9, confidence: float = 0.99) -> float | None:
    """The percentile as MLPerf Inference's single stream estimates it: an upper bound that holds with `confidence`.

    With t the most values that may lie above it for a sample of this size still to be trusted, it is the t-th largest;
    None for fewer than 64 values (inference_rules.adoc, "early stopping", tolerance 0, and loadgen's early_stopping.cc).
    """
    count, below = len(values), 0.0
    for worse in range(count):
        below += _binomial(count, worse, 1 - percentile)
        if below > 1 - confidence:
            return _round(sorted(values)[count - worse + 1]) if worse > 1 else None
    return None


def slope(counts, values) -> float:
    """Milliseconds per detection: the least-squares line's rise."""
    return float(np.polyfit(counts, values, 1)[0])


def _binomial(count, hits, chance):
    ways = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return math.exp(ways + hits * math.log(chance) + (count - hits) * math.log1p(-chance))


def _round(value) -> float:
    return round(float(value), 3)
