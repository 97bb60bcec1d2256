"""One model whose box and mask heads are the means of several models' on the same trunk (model soups, Wortsman et al. 2022).

    python -m edgemask.convert.train.soup mean.safetensors heads/best.safetensors joint/best.safetensors

Heads that learned on from one another make different mistakes, and their mean fewer; it costs nothing to run.
"""

import argparse
import sys
from pathlib import Path

import torch

from edgemask.command import exit_code
from edgemask.convert.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from edgemask.errors import CheckpointError
from edgemask.files import replacing

HEADS = ("box.", "mask.")


def mean(paths) -> Checkpoint:
    """The first checkpoint, its box and mask heads the means of all; raises CheckpointError."""
    first, *others = (load_checkpoint(path) for path in paths)
    kept, *states = (one.network.state_dict() for one in (first, *others))
    for path, other, state in zip(paths[1:], others, states, strict=True):
        if other.classes != first.classes:
            raise CheckpointError(f"{path} knows {', '.join(other.classes)}, {paths[0]} {', '.join(first.classes)}")
        trunk = (key for key in kept if not key.startswith((*HEADS, "dense.")))
        if changed := next((key for key in trunk if not torch.equal(state[key], kept[key])), None):
            raise CheckpointError(f"{path} has another {changed} than {paths[0]}: heads can be averaged on one trunk alone")
    averaged = [key for key in kept if key.startswith(HEADS) and kept[key].is_floating_point()]
    means = {key: torch.stack([state[key] for state in (kept, *states)]).mean(0) for key in averaged}
    first.network.load_state_dict({**kept, **means})
    return first


def main(arguments=None) -> int:
    """Write the checkpoint; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.train.soup", description=__doc__.splitlines()[0])
    it.add_argument("target", type=Path, metavar="OUT.safetensors")
    it.add_argument("checkpoints", type=Path, nargs="+", help="the first one's trunk and dense head are kept")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    found = mean(options.checkpoints)
    with replacing(options.target) as temporary:
        save_checkpoint(found.network, found.classes, temporary, found.licence)
    print(f"wrote {options.target}: box and mask heads of {len(options.checkpoints)} checkpoints")


if __name__ == "__main__":
    sys.exit(main())
