"""The plots of a page; each takes runs that have a latency (or counts), or the whole result, and gives HTML."""

from edgemask.benchmarks.latency.card import name
from edgemask.benchmarks.latency.svg import COLOURS, Plot, legend

# Key of a sample, its axis, and the least range worth showing.
CURVES = (
    ("celsius", "°C", 10), ("mhz", "clock, MHz", 200), ("others", "others, cores", 1), ("watts", "W", 1),
    ("rss_mib", "RSS, MiB", 50),
)  # fmt: skip


def histogram(runs) -> str:
    """How often which latency came, a row a run, each as high as its most frequent; a line where the median is."""
    found = [run["latency"]["histogram"] for run in runs]
    span = min(one["edges"][0] for one in found), max(one["edges"][-1] for one in found)
    plot = Plot(span, (0, len(runs)), "ms a frame; the last bar of a row: that and more", "", height=52 + 66 * len(runs))
    for row, (run, one, colour) in enumerate(zip(runs, found, _colours(runs), strict=True)):
        low, middle = len(runs) - 1 - row, run["latency"]["ms"]["total"]["p50"]
        for left, right, count in zip(one["edges"], one["edges"][1:], one["counts"], strict=False):
            top = low + 0.66 * count / max(one["counts"])
            plot.bar((left, low), (right, top), colour, f"{left:.1f} to {right:.1f} ms: {count} frames")
        plot.line([(middle, low), (middle, low + 0.72)], "#222", f"median of all frames: {middle:.1f} ms")
        plot.text(middle, low + 0.82, f"{name(run)}: {middle:.1f} ms", "start" if middle < sum(span) / 2 else "end")
    return str(plot)


def stages(runs) -> str:
    """Medians of the stages, one after the other, a bar a run."""
    every = [(name(run), run["latency"]["ms"].items()) for run in runs]
    rows = [(title, {stage: found["p50"] for stage, found in stages if stage != "total"}) for title, stages in every]
    return _bars(rows, "ms, medians of the stages")


def work(runs) -> str:
    """Instructions of a frame's parts, one after the other, a bar a counted run."""
    rows = [(name(run), {part: counts["all"] / 1e6 for part, counts in run["instructions"].items()}) for run in runs]
    return _bars(rows, "millions of instructions, no measure of time")


def _bars(rows, axis):
    most = max(sum(parts.values()) for _, parts in rows)
    plot = Plot((0, 1.1 * most), (0, len(rows)), axis, "", height=52 + 46 * len(rows))
    for low, (words, parts) in enumerate(reversed(rows)):
        start = 0.0
        for (part, value), colour in zip(parts.items(), COLOURS, strict=False):
            plot.bar((start, low + 0.08), (start + value, low + 0.55), colour, f"{part}: {value:.2f}")
            start += value
        plot.text(0, low + 0.75, words)
        plot.text(start, low + 0.32, f"{start:.1f}", shift=5)
    return legend(list(rows[0][1])) + str(plot)


def people(runs) -> str:
    """Latency against the number of people, with the range over the processes."""
    found = [run["latency"]["people"] for run in runs]
    top = max(one["high"] for each in found for one in each["p50_ms"])
    plot = Plot((0, max(found[0]["counts"]) * 1.03), (0, 1.05 * top), "people in the frame", "p50, ms a frame")
    for run, each, colour in zip(runs, found, _colours(runs), strict=True):
        points = list(zip(each["counts"], each["p50_ms"], strict=True))
        plot.line([(count, one["median"]) for count, one in points], colour)
        for count, one in points:
            title = f"{name(run)}, {count} people: {one['median']:.1f} ms"
            plot.dot(count, one["median"], one["low"], one["high"], colour, title)
    slopes = [each["ms_per_person"]["median"] for each in found]
    return legend([f"{name(run)}: {slope:.2f} ms per person" for run, slope in zip(runs, slopes, strict=True)]) + str(plot)


def timeline(result) -> str:
    """What the machine did meanwhile, a curve for whatever it tells, the steady phases shaded."""
    samples, drawn, silent = result["timeline"], [], []
    for key, axis, least in CURVES:
        values = [sample[key] for sample in samples if sample[key] is not None]
        if not values:
            silent.append(axis.partition(",")[0].replace("°C", "temperature").replace("W", "power"))
            continue
        low = 0 if key in ("others", "watts", "rss_mib") else min(values) - least / 4
        plot = Plot((0, samples[-1]["t"]), (low, max(max(values), low + least) * 1.02), "seconds", axis, width=940, height=150)
        for before, after in zip(samples, samples[1:], strict=False):
            if after["phase"] == "steady":
                colour = _colours(result["runs"])[after["run"]]
                plot.bar((before["t"], plot.y[0]), (after["t"], plot.y[1]), colour, opacity=0.13)
        plot.line([(sample["t"], sample[key]) for sample in samples], "#555")
        drawn.append(str(plot))
    shaded = legend(list(map(name, result["runs"])))
    return shaded + "".join(drawn) + (f"<p>Not readable on this machine: {', '.join(silent)}.</p>" if silent else "")


def _colours(runs):
    return [COLOURS[index % len(COLOURS)] for index in range(len(runs))]
