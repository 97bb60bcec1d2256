"""The body atlas: 24 parts, DensePose's numbering and names (Güler et al. 2018, arXiv 1802.00434), our own charts.

Inner is the palm's side of an arm, outer the back of the hand's; left and right are the person's own. What it looks like:

    python -m edgemask.convert.body.atlas --page atlas.html
"""

import argparse
import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PARTS = (
    "background", "torso back", "torso front", "hand right", "hand left", "foot left", "foot right",
    "upper leg back right", "upper leg back left", "upper leg front right", "upper leg front left",
    "lower leg back right", "lower leg back left", "lower leg front right", "lower leg front left",
    "upper arm inner left", "upper arm inner right", "upper arm outer left", "upper arm outer right",
    "lower arm inner left", "lower arm inner right", "lower arm outer left", "lower arm outer right",
    "head right", "head left",
)  # fmt: skip
MIRROR = (0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15, 18, 17, 20, 19, 22, 21, 24, 23)


@dataclass(frozen=True)
class Atlas:
    """On the triangles of `body_model()`: faces int32 [F, 3], part uint8 [F] 1..24, uv float32 [F, 3, 2] in [0, 1] by corner."""

    faces: np.ndarray
    part: np.ndarray
    uv: np.ndarray

    @classmethod
    @functools.cache
    def load(cls) -> "Atlas":
        """The atlas that comes with the package; needs no anny."""
        with np.load(Path(__file__).with_name("atlas.npz")) as stored:
            return cls(stored["faces"], stored["part"], stored["uv"])


def mirrored(part, u, v):
    """(part, u, v), arrays, of the same place on the person's other side; on the torso, its own mirror, U becomes 1 − U."""
    part, u = np.asarray(part), np.asarray(u)
    return np.take(MIRROR, part), np.where((part == 1) | (part == 2), 1 - u, u), v


def main(arguments=None) -> None:
    """Write the page."""
    it = argparse.ArgumentParser("python -m edgemask.convert.body.atlas", description="The body painted by part, by U and by V.")
    it.add_argument("--page", required=True, type=Path, metavar="OUT.html", help="where to write it; .png: the pictures alone")
    options = it.parse_args(arguments)
    from edgemask.convert.body import model, page

    page.write(options.page, model.body_model()()["rest_vertices"][0].numpy(), Atlas.load())


if __name__ == "__main__":
    from edgemask.benchmarks.command import exit_code

    sys.exit(exit_code(main))
