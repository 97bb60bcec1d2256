"""Instructions by class, counted by QEMU: work, the same on every machine and every day, and no measure of time."""

import json
import shutil
import subprocess
from pathlib import Path

from edgemask.benchmarks.emulated import EmulationError
from edgemask.benchmarks.emulated.machine import Pi
from edgemask.files import replacing

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
CLASSES = ("all", "dot", "multiply", "float", "memory")
GROWTH = 0.01


def counted(pi: Pi, *command) -> tuple[str, list[dict]]:
    """A command's output, and the counts {class: instructions} at each mark and at its end.

    A mark is a call of `os.getppid()`. Right for one thread. Raises EmulationError.
    """
    plugin = pi.work / "count.so"
    if not plugin.exists():
        done = subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", plugin, HERE / "count.c"], capture_output=True, text=True)
        if done.returncode:
            raise EmulationError(f"count.c does not compile: {done.stderr.strip().splitlines()[-1]}")
    said = pi.check(*command, QEMU_PLUGIN="file=/srv/count.so,out=/srv/counts")
    lines = (pi.work / "counts").read_text().splitlines()
    return said, [dict(zip(CLASSES, map(int, line.split()), strict=True)) for line in lines]


def parts(pi: Pi, engine: str, path: Path | None = None) -> dict:
    """Counts of a frame's parts: {"runs": what ran it, "parts": {part: {class: instructions}}}.

    engine: `tflite`, `onnx`, or `peer` for any ONNX network; path: bundle (the shipped one when None) or network.
    """
    extra = []
    if path:
        shutil.copy(path, pi.work / f"counted{path.suffix}")
        extra = [f"/srv/counted{path.suffix}"]
    said, marks = counted(pi, "python", "-m", "edgemask.benchmarks.emulated.parts", engine, *extra)
    found = json.loads(said)
    pairs = zip(marks[::2], marks[1::2], strict=False)  # the program's end is one too many
    spans = [{kind: after[kind] - before[kind] for kind in CLASSES} for before, after in pairs]
    return {"runs": found["runs"], "parts": dict(zip(found["parts"], spans, strict=True))}


def figures() -> dict:
    """The figures of today: {row: {board: what `parts` returns}}, a row being a model and what runs it."""
    return json.loads(FIGURES.read_text())


def update(found: dict):
    """Put what was found in the place of today's figures, row by row and board by board."""
    known = figures() if FIGURES.exists() else {}
    for row, boards in found.items():
        known[row] = {**known.get(row, {}), **boards}
    with replacing(FIGURES) as temporary:
        temporary.write_text(json.dumps(known, indent=1) + "\n")


def grown(found: dict, known: dict) -> list[str]:
    """One sentence for each part that takes over 1 % more instructions than is known of it."""
    sentences = []
    for row, boards in found.items():
        for board, result in boards.items():
            before = known.get(row, {}).get(board)
            for part, counts in result["parts"].items():
                if before is None or part not in before["parts"]:
                    sentences.append(f"{part} of {row} on {board} has no figure yet")
                    continue
                old, new = before["parts"][part]["all"], counts["all"]
                if new > old * (1 + GROWTH):
                    sentences.append(
                        f"{part} of {row} on {board} takes {new:,} instructions in {result['runs']}, "
                        f"{100 * (new / old - 1):.1f} % more than {old:,} in {before['runs']}"
                    )
    return sentences


def table(known: dict) -> str:
    """Millions of instructions a frame as Markdown: a row per model and board, a column per part, and the classes of all."""
    lines = [
        "| model | board | trunk | box | mask | glue | a frame | dot | multiply | float | memory |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row, boards in known.items():
        for board, result in boards.items():
            each = result["parts"]
            total = {kind: sum(counts[kind] for counts in each.values()) for kind in CLASSES}
            cells = [_millions(each[part]["all"]) if part in each else "" for part in ("trunk", "box", "mask", "glue")]
            lines.append(f"| {' | '.join([row, board, *cells, *(_millions(total[kind]) for kind in CLASSES)])} |")
    return "\n".join(lines)


def _millions(count):
    return f"{count / 1e6:.1f}"
