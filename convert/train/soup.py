"""One model whose box and mask heads are the means of several models' on the same trunk (model soups, Wortsman et al. 2022).

    python -m edgemask.convert.train.soup mean.safetensors heads/best.safetensors joint/best.safetensors

Heads that learned on from one another make different mistakes, and their mean fewer; it costs nothing to run.
"""

import argparse
import sys
from pathlib import Path

import torch

from edgemask.command import exit_code
from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint
from edgemask.errors import CheckpointError
from edgemask.files import replacing

HEADS = ("box.", "mask.")


def mean(paths) -> dict[str, torch.Tensor]:
    """The state of the first checkpoint with the mean of all box and mask heads; raises CheckpointError."""
    states = [load_checkpoint(path).network.state_dict() for path in paths]
    kept = [key for key in states[0] if not key.startswith((*HEADS, "dense."))]
    for path, state in zip(paths[1:], states[1:], strict=True):
        if changed := next((key for key in kept if not torch.equal(state[key], states[0][key])), None):
            raise CheckpointError(f"{path} has another {changed} than {paths[0]}: heads can be averaged on one trunk alone")
        if state["box.scores.bias"].shape != states[0]["box.scores.bias"].shape:
            raise CheckpointError(f"{path} knows other classes than {paths[0]}")
    found = dict(states[0])
    for key in found:
        if key.startswith(HEADS) and found[key].is_floating_point():
            found[key] = torch.stack([state[key] for state in states]).mean(0)
    return found


def main(arguments=None) -> int:
    """Write the checkpoint; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.train.soup", description=__doc__.splitlines()[0])
    it.add_argument("target", type=Path, metavar="OUT.safetensors")
    it.add_argument("checkpoints", type=Path, nargs="+", help="the first one's trunk and dense head are kept")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    first = load_checkpoint(options.checkpoints[0])
    first.network.load_state_dict(mean(options.checkpoints))
    with replacing(options.target) as temporary:
        save_checkpoint(first.network, first.classes, temporary, first.licence)
    print(f"wrote {options.target}: box and mask heads of {len(options.checkpoints)} checkpoints")


if __name__ == "__main__":
    sys.exit(main())
