"""One model whose weights are the means of several models' that learned on from one another (model soups, Wortsman et al. 2022).

    python -m edgemask.convert.train.soup mean.safetensors after.safetensors after.safetensors before.safetensors

Models that share an origin make different mistakes, and their mean fewer; it costs nothing to run. Named twice, one counts twice.
"""

import argparse
import sys
from pathlib import Path

import torch

from edgemask.command import exit_code
from edgemask.convert.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgemask.errors import CheckpointError
from edgemask.files import replacing


def mean(paths) -> Checkpoint:
    """The first checkpoint with the mean of all weights and statistics; raises CheckpointError for other classes or heads."""
    first, *others = (load_checkpoint(path) for path in paths)
    states = [one.network.state_dict() for one in (first, *others)]
    for path, other, state in zip(paths[1:], others, states[1:], strict=True):
        if other.classes != first.classes:
            raise CheckpointError(f"{path} knows {', '.join(other.classes)}, {paths[0]} {', '.join(first.classes)}")
        if state.keys() != states[0].keys():
            raise CheckpointError(f"of {path} and {paths[0]} only one has a head for body parts")
    means = {
        key: torch.stack([state[key] for state in states]).mean(0) if value.is_floating_point() else value
        for key, value in states[0].items()
    }
    first.network.load_state_dict(means)
    return first


def main(arguments=None) -> int:
    """Write the checkpoint; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.train.soup", description=__doc__.splitlines()[0])
    it.add_argument("target", type=Path, metavar="OUT.safetensors")
    it.add_argument("checkpoints", type=Path, nargs="+", help="of one origin: others have nothing in common to average")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    found = mean(options.checkpoints)
    with replacing(options.target) as temporary:
        save_checkpoint(found.network, found.classes, temporary, found.licence)
    print(f"wrote {options.target}: the mean of {len(options.checkpoints)} checkpoints")


if __name__ == "__main__":
    sys.exit(main())
