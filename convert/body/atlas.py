"""The body atlas: our own charts of the 24 parts (edgemask.parts).

Inner is the palm's side of an arm, outer the back of the hand's. What it looks like:

    python -m edgemask.convert.body.atlas --page atlas.html
"""

import argparse
import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemask.parts import MIRROR


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
    from edgemask.command import exit_code

    sys.exit(exit_code(main))
