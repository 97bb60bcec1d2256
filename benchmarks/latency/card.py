"""The card: a result on half a page of Markdown."""

from edgemask.benchmarks.latency.verdict import sentence

SPREAD = ("min", "p50", "p90", "p99", "max", "mean")
SHOWN = (
    "cpu", "cores", "int8 flags", "memory_mib", "system", "kernel", "firmware", "governor", "highest_mhz", "python", "edgemask",
)  # fmt: skip


def card(result: dict) -> str:
    """A result as Markdown."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result):
    bundle, work = result["bundle"], result["workload"]
    yield f"# {result['device']}"
    yield f"\n**{sentence(result['verdict'])}**"
    yield from (f"\nNote: {note}." for note in result["verdict"]["notes"])
    width, height = bundle["input"]
    yield (
        f"\n{bundle['name']} {bundle['precision']} {width}×{height} (SHA-256 {bundle['sha256'][:12]}…), a "
        f"{work['frame'][0]}×{work['frame'][1]} frame with {work['people']} people and {work['proposals']} proposals, "
        f"{'body parts, ' * ('dense' in work)}"
        f"from its pixels to COCO records; {result['time'][:10]}, {_mode(result['mode'])}.\n"
    )
    timed = [run for run in result["runs"] if run["latency"]]
    yield from [*_ends(timed), "", *_stages(timed), *_ages(timed)] if timed else ()
    yield from instructions([run for run in result["runs"] if run["instructions"]])
    yield from accuracy(result)
    yield "\n| fact | | source |\n|---|---|---|"
    yield from (_fact(name, result["facts"][name]) for name in SHOWN if name in result["facts"])


def _mode(mode):
    if not mode["processes"]:
        return "instructions counted, no time"
    return f"{mode['name']}: {mode['processes']} processes of {mode['seconds']:g} s"


def name(run: dict) -> str:
    """A run's engine and threads."""
    return f"{run['runs'].partition(',')[0].removesuffix(' with XNNPACK')}, {run['threads']} thread{'s' * (run['threads'] > 1)}"


def around(one: dict, digits: int = 1) -> str:
    """A figure and its range over the processes."""
    return f"{one['median']:.{digits}f} ({one['low']:.{digits}f} to {one['high']:.{digits}f})"


def _ends(runs):
    yield "| ms, median of the processes (least to most) | " + " | ".join(map(name, runs)) + " |"
    yield "|---|" + "---|" * len(runs)
    rows = {
        "**p50, steady**": lambda it: f"**{around(it['p50_ms'])}**",
        "p90 by early stopping (99 % sure)": lambda it: _number(it["p90_early_stopping_ms"]),
        "load": lambda it: around(it["load_ms"]),
        "first inference": lambda it: around(it["first_ms"]),
        "cold, p50 of the next ten": lambda it: around(it["cold_ms"]),
        "per person": lambda it: around(it["people"]["ms_per_person"], 2),
        **{f"with {count} {'person' if count == 1 else 'people'}, p50": lambda it, at=at: around(it["people"]["p50_ms"][at])
           for at, count in enumerate(runs[0]["latency"]["people"]["counts"])},
        "CPU, cores in use": lambda it: f"{it['cpu_cores']:.2f}",
        "RSS, MiB: peak, mean": lambda it: f"{it['rss_mib']['peak']:.0f}, {_number(it['rss_mib']['mean'], 0)}",
        "joules a frame (power chip)": lambda it: _number(it["joules_per_frame"], 3),
    }  # fmt: skip
    for what, cell in rows.items():
        yield f"| {what} | " + " | ".join(cell(run["latency"]) for run in runs) + " |"


def _stages(runs):
    yield "| ms, all frames | | " + " | ".join(SPREAD) + " | frames |\n|---|---|" + "---|" * (len(SPREAD) + 1)
    for run in runs:
        for stage, found in run["latency"]["ms"].items():
            cells = [f"{found[key]:.2f}" for key in SPREAD]
            yield f"| {name(run)} | {'end to end' if stage == 'total' else stage} | {' | '.join(cells)} | {found['count']} |"


def _ages(runs):
    for run in runs:
        if age := run["latency"]["frame_age"]:
            p50, p90, p99 = (age["ms"][key] for key in ("p50", "p90", "p99"))
            yield (
                f"\nCamera, {name(run)}: frames {p50:.0f} ms old when their records are there (p90 {p90:.0f}, p99 {p99:.0f}), "
                f"{age['fps']:.1f} a second, {age['dropped']} dropped."
            )


def instructions(runs: list[dict]):
    """Counted runs as Markdown lines."""
    if not runs:
        return
    parts = list(runs[0]["instructions"])
    yield f"| millions of instructions | {' | '.join(parts)} | a frame |\n|---|" + "---|" * (len(parts) + 1)
    for run in runs:
        counts = [run["instructions"][part]["all"] / 1e6 for part in parts]
        yield f"| {name(run)} | {' | '.join(f'{one:.1f}' for one in counts)} | {sum(counts):.1f} |"
    yield "\nWork, counted by QEMU (NMS leaves nine of the ten boxes); how long it takes on the board was not measured."


def accuracy(result: dict):
    """The accuracy of the same file as Markdown lines."""
    if not result["accuracy"]:
        yield "\nAccuracy was not measured: --coco val.json."
        return
    yield "\n| accuracy of this file | box AP | AP50 | mask AP | AP50 | |\n|---|---|---|---|---|---|"
    for engine, one in result["accuracy"].items():
        cells = [f"{one[kind][metric]:.1f}" for kind in ("box", "mask") for metric in ("AP", "AP50")]
        yield f"| {engine} | {' | '.join(cells)} | {one['pictures']} pictures of {one['set']}, {one['evaluator']} |"


def _fact(name, fact):
    value = fact["value"]
    text = f"not known: {fact['reason']}" if value is None else ", ".join(value) if isinstance(value, list) else str(value)
    return f"| {name} | {text} | {fact['source']} |"


def _number(value, digits=1):
    return "not known" if value is None else f"{value:.{digits}f}"
