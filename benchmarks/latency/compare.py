"""edgemask compare: results of bench side by side, with ratios and how sure they are."""

import json
from pathlib import Path

from edgemask.arguments import parser
from edgemask.benchmarks.latency.card import around, name
from edgemask.benchmarks.latency.result import read
from edgemask.benchmarks.latency.verdict import sentence
from edgemask.errors import OptionError

# Columns of timed runs, after the device and the engine.
TIMED = {
    "edgemask, bundle": lambda row: row["version"],
    "p50 ms (over processes)": lambda row: around(row["p50_ms"]),
    "p90 ms": lambda row: f"{row['p90_ms']:.1f}",
    "ms per person": lambda row: f"{row['ms_per_person']:.2f}",
    "load ms": lambda row: f"{row['load_ms']:.0f}",
    "peak MiB": lambda row: f"{row['peak_rss_mib']:.0f}",
    "through the first": lambda row: around(row["ratio"], 2) if row["ratio"] else "1",
}


def main(arguments) -> int:
    """The verb."""
    options = _options(arguments)
    results = {path: read(path) for path in options.results}
    if not options.anyway:
        refuse(results)
    timed, counted = rows(results.values())
    if options.json:
        print(json.dumps({"latency": timed, "instructions": counted}, indent=1))
        return 0
    print("\n".join([*_table(timed), *_counts(counted)]))
    return 0


def refuse(results: dict):
    """Raise OptionError, one sentence, where results must not be compared. results: by path."""
    reasons = [f"{path} is {sentence(one['verdict'])}" for path, one in results.items() if not one["verdict"]["comparable"]]
    first, *others = results
    for path in others:
        if results[path]["workload"] != results[first]["workload"]:
            reasons.append(f"{path} has another frame or other people in it than {first}")
    if reasons:
        raise OptionError(f"not compared: {'. '.join(reasons)} (--anyway compares all the same)")


def rows(results) -> tuple[list[dict], list[dict]]:
    """Timed runs, each with its ratio to the first, and counted ones.

    A ratio is {"median", "low", "high"} of a run's p50 through the first's, above 1 the run is slower; low and high come
    from the processes of both that differ most.
    """
    every = [(result, run) for result in results for run in result["runs"]]
    timed = [_row(result, run) for result, run in every if run["latency"]]
    for row in timed:
        row["ratio"] = _ratio(row["p50_ms"], timed[0]["p50_ms"]) if row is not timed[0] else None
    counted = [{**_named(result, run), "instructions": run["instructions"]} for result, run in every if run["instructions"]]
    return timed, counted


def _named(result, run):
    bundle, version = result["bundle"], result["facts"]["edgemask"]["value"]
    what = f"{version}, {bundle['name']} {bundle['precision']} {bundle['sha256'][:8]}"
    return {"device": result["device"], "runs": name(run), "version": what, "verdict": sentence(result["verdict"])}


def _row(result, run):
    found = run["latency"]
    return {**_named(result, run), "p50_ms": found["p50_ms"], "noise_percent": found["noise_percent"],
            "p90_ms": found["ms"]["total"]["p90"], "ms_per_person": found["people"]["ms_per_person"]["median"],
            "load_ms": found["load_ms"]["median"], "peak_rss_mib": found["rss_mib"]["peak"]}  # fmt: skip


def _ratio(one, other):
    parts = one["median"] / other["median"], one["low"] / other["high"], one["high"] / other["low"]
    return dict(zip(("median", "low", "high"), (round(part, 3) for part in parts), strict=True))


def _table(timed):
    if not timed:
        return
    yield _line("device", "engine", *TIMED)
    yield "|---|---|" + "---|" * len(TIMED)
    for row in timed:
        yield _line(row["device"], row["runs"], *(cell(row) for cell in TIMED.values()))
    verdicts = {f"{row['device']}: {row['verdict']}" for row in timed if row["verdict"] != "comparable"}
    yield from (f"\n{line}." for line in sorted(verdicts))


def _counts(counted):
    if not counted:
        return
    parts = list(counted[0]["instructions"])
    yield "\n" + _line("device", "engine", "edgemask, bundle", *parts, "millions of instructions a frame")
    yield "|---|---|---|" + "---|" * (len(parts) + 1)
    for row in counted:
        counts = [row["instructions"][part]["all"] / 1e6 for part in parts]
        yield _line(row["device"], row["runs"], row["version"], *(f"{one:.1f}" for one in (*counts, sum(counts))))


def _line(*cells):
    return f"| {' | '.join(cells)} |"


def _options(arguments):
    it = parser(
        "compare", "Put results of edgemask bench side by side, each against the first; exit 2 where they cannot be compared.",
        "edgemask compare pi4.json pi5.json",
    )  # fmt: skip
    it.add_argument("results", nargs="+", type=Path, metavar="RESULT.json")
    it.add_argument("--anyway", action="store_true", help="also what is not comparable")
    it.add_argument("--json", action="store_true", help="print the rows as JSON")
    return it.parse_args(arguments)
