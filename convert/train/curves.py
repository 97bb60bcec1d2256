"""What a run writes down as it goes: its losses and accuracy as CSV, and both as one picture."""

import csv
from pathlib import Path

from edgemask.errors import MissingLibrary
from edgemask.files import replacing

LOSSES, ACCURACY, PICTURE = "losses.csv", "accuracy.csv", "curves.png"
EVERY = 20  # iterations a row of losses


class Curves:
    """The files of a run's folder; rows after `iteration`, of a run that was cut off, are forgotten."""

    def __init__(self, folder: Path, iteration: int):
        self.folder, self.waiting = folder, []
        for name in (LOSSES, ACCURACY):
            rows = [row for row in _rows(folder / name) if row["iteration"] <= iteration]
            _write(folder / name, rows)

    def loss(self, iteration: int, rate: float, losses: dict):
        """An iteration's losses; every twentieth writes their means."""
        self.waiting.append(losses)
        if iteration % EVERY == 0:
            means = {name: sum(one[name] for one in self.waiting) / len(self.waiting) for name in losses}
            _append(self.folder / LOSSES, {"iteration": iteration, "rate": rate, "loss": sum(means.values()), **means})
            self.waiting = []

    def accuracy(self, iteration: int, minutes: float, summary: dict):
        """An evaluation's `summary`, and the picture anew."""
        figures = {f"{kind} {metric}": value for kind in ("box", "mask") for metric, value in summary[kind].items()}
        _append(self.folder / ACCURACY, {"iteration": iteration, "minutes": round(minutes, 1), **figures})
        _draw(self.folder)


def _rows(path):
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _write(path, rows):
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        if rows:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def _append(path, row):
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if not file.tell():
            writer.writeheader()
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})


def _draw(folder):
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingLibrary("a run's picture needs matplotlib: pip install 'edgemask[train]'") from error
    figure = Figure((9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = _rows(folder / LOSSES)
    for name in [key for key in (rows[0] if rows else ()) if key not in ("iteration", "rate")]:
        left.plot([row["iteration"] for row in rows], [row[name] for row in rows], label=name, lw=2 if name == "loss" else 1)
    rows = _rows(folder / ACCURACY)
    for name in ("box AP", "box AP50", "mask AP", "mask AP50"):
        right.plot([row["iteration"] for row in rows], [row[name] for row in rows], "o-", ms=3, label=name)
    for axes, title in ((left, "training losses"), (right, "accuracy on val")):
        axes.set(title=title, xlabel="iteration", ylim=(0, None))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8)
    with replacing(folder / PICTURE) as temporary:
        figure.savefig(temporary, dpi=120)
