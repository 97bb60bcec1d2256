"""Train the dense head on a frozen trunk's features (convert.body.samples).

    python -m edgemask.convert.body.learn person.safetensors person-dense.safetensors renders.npz weak.npz fits.npz*2 \\
        --held-out held-out.npz

A checkpoint's head learns on, with --anew a new one begins. FILE.npz*K draws that file's samples K times as often. As in
DensePose (Güler et al. 2018) the cells of a person count, what is around it is left to the mask: a cell whose part is one of
several costs −log of their summed probability, U and V cost smooth L1 on the channel of the part.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemask.arguments import count, positive
from edgemask.command import exit_code
from edgemask.convert.body.samples import Samples
from edgemask.errors import OptionError
from edgemask.evaluate_dense import part_ious
from edgemask.parts import COUNT
from edgemask.progress import Line

BATCH, RATE, DECAY, UV_WEIGHT, BETA = 64, 6e-3, 0.02, 4.0, 0.05


def labels(samples: Samples, rows: np.ndarray):
    """Features [N, 96, 14, 14], allowed bits int64 [N, 28, 28], U and V [N, 28, 28], as float32 torch tensors."""
    import torch

    features = torch.from_numpy(samples.features[rows]).permute(0, 3, 1, 2).float()
    bits = torch.from_numpy(samples.allowed[rows].astype(np.int64))
    return features, bits, *(torch.from_numpy(one[rows].astype(np.float32)) for one in (samples.u, samples.v))


def losses(outputs, bits, u, v) -> dict:
    """parts, u and v as means over the cells of the person of which something is said.

    In that of parts a cell of a part that has a hundredth as many cells weighs ten times as much: a hand is as much of a body
    as a trunk to those who ask where it is.
    """
    import torch
    from torch.nn import functional

    logits, *coordinates = outputs
    others = (bits[:, None] >> torch.arange(1, COUNT + 1, device=bits.device)[:, None, None]) & 1 == 0
    known = bits > 0
    scores = functional.log_softmax(logits, 1).masked_fill(others, -1e4)
    # Of several parts it may be, the likeliest is the one that counts and whose coordinates are asked.
    part = scores.detach().argmax(1, keepdim=True)
    cells = part[:, 0][known]
    weight = torch.bincount(cells, minlength=COUNT).clamp(min=1).float().rsqrt()[cells]
    found = {"parts": -(weight * torch.logsumexp(scores, 1)[known]).sum() / weight.sum().clamp(min=1e-9)}
    for name, channels, wanted in (("u", coordinates[0], u), ("v", coordinates[1], v)):
        stated = torch.isfinite(wanted) & known
        got = channels.gather(1, part)[:, 0]
        apart = functional.smooth_l1_loss(got[stated], wanted[stated], beta=BETA, reduction="sum")
        found[name] = UV_WEIGHT * apart / max(1, int(stated.sum()))
    return found


@dataclass
class Source:
    """A file of samples, and how many times as often it is drawn."""

    samples: Samples
    times: int

    @classmethod
    def parse(cls, text: str) -> "Source":
        path, star, times = text.rpartition("*")
        if star and not (times.isdecimal() and int(times) > 0):
            raise OptionError(f"{text}: after * comes how often, a whole number above 0")
        return cls(Samples.load(path if star else text), int(times) if star else 1)


def train(head, sources: list[Source], epochs: int, seed: int, rate: float = RATE):
    """Train a DenseHead in place; yields (step, steps, losses). An epoch sees every source its number of times.

    rate: the peak of AdamW's one cycle (Smith and Topin 2018).
    """
    import torch

    order = [np.array([(number, row) for row in range(len(one.samples))] * one.times) for number, one in enumerate(sources)]
    order, random = np.concatenate(order), np.random.default_rng(seed)
    steps = epochs * (len(order) // BATCH or 1)
    groups = [{"params": [w for w in head.parameters() if (w.ndim > 1) == decays], "weight_decay": DECAY * decays}
              for decays in (True, False)]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    head.train()
    for step in range(steps):
        chosen = order[random.integers(len(order), size=BATCH)]
        parts = [labels(one.samples, chosen[chosen[:, 0] == number][:, 1]) for number, one in enumerate(sources)]
        features, bits, u, v = (torch.cat(values) for values in zip(*parts, strict=True))
        found = losses(head(features.contiguous(memory_format=torch.channels_last)), bits, u, v)
        optimiser.zero_grad(set_to_none=True)
        sum(found.values()).backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        yield step + 1, steps, {name: float(value.detach()) for name, value in found.items()}
    head.eval()


def judge(head, samples: Samples) -> dict:
    """Within the masks of exactly labelled samples: mean IoU of the parts, mean |ΔU| and |ΔV| where the part is right, GPS
    (convert.body.gps)."""
    import torch

    from edgemask.convert.body.gps import similarity

    confusion, apart, scores = np.zeros((COUNT + 1, COUNT + 1)), {"u": [], "v": []}, []
    for rows in np.array_split(np.arange(len(samples)), max(1, len(samples) // BATCH)):
        features, bits, *wanted = labels(samples, rows)
        with torch.inference_mode():
            logits, *coordinates = head(features)
        got, known = logits.argmax(1, keepdim=True), bits > 0
        found = [one.gather(1, got)[:, 0].clamp(0, 1) for one in coordinates]
        got, part = got[:, 0] + 1, torch.log2(bits.clamp(min=1).double()).round().long()
        confusion += np.bincount((part * (COUNT + 1) + got)[known], minlength=(COUNT + 1) ** 2).reshape(COUNT + 1, -1)
        right = (got == part) & known
        for name, mine, truth in zip(("u", "v"), found, wanted, strict=True):
            apart[name].append((mine - truth)[right].abs())
        for index in np.flatnonzero(known.any(2).any(1)):
            there = known[index]
            truth, mine = ([one[index][there].numpy() for one in side] for side in ((part, *wanted), (got, *found)))
            scores.append(similarity(truth, mine))
    return {
        "samples": len(samples), "part_miou": float(np.nanmean(part_ious({"confusion": confusion}))),
        "du": float(torch.cat(apart["u"]).mean()), "dv": float(torch.cat(apart["v"]).mean()), "gps": float(np.mean(scores)),
    }  # fmt: skip


def main(arguments=None) -> int:
    """Train and write the checkpoint; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.body.learn", description=__doc__.splitlines()[0])
    it.add_argument("checkpoint", type=Path, help="the model whose trunk the samples' features are of")
    it.add_argument("target", type=Path, metavar="OUT.safetensors")
    it.add_argument("samples", nargs="+", metavar="FILE.npz[*K]")
    it.add_argument("--held-out", type=Path, metavar="FILE.npz", help="exactly labelled samples to measure on")
    it.add_argument("--anew", action="store_true", help="begin with a new head, though the checkpoint has one")
    it.add_argument("--epochs", type=count, default=10, metavar="N")
    it.add_argument("--rate", type=positive, default=RATE, metavar="R", help="the learning rate's peak (default %(default)s)")
    it.add_argument("--seed", type=int, default=0)
    it.add_argument("--json", action="store_true")
    # Read by OpenMP when torch loads it: spinning threads take the processor from whoever else is at work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    import torch

    from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint
    from edgemask.convert.network import DenseHead

    checkpoint, sources = load_checkpoint(options.checkpoint), [Source.parse(text) for text in options.samples]
    torch.manual_seed(options.seed)
    head = (None if options.anew else checkpoint.network.dense) or DenseHead()
    head = head.to(memory_format=torch.channels_last)
    with Line() as line:
        for step, steps, found in train(head, sources, options.epochs, options.seed, options.rate):
            if line.due():
                line.say(f"step {step}/{steps}, " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    checkpoint.network.dense = head
    save_checkpoint(checkpoint.network, checkpoint.classes, options.target, checkpoint.licence)
    result = judge(head, Samples.load(options.held_out)) if options.held_out else {}
    if options.json:
        print(json.dumps(result))
        return
    print(f"wrote {options.target}")
    if result:
        print(f"held out, {result['samples']} samples: part mIoU {100 * result['part_miou']:.1f} %, |ΔU| {result['du']:.3f}, "
              f"|ΔV| {result['dv']:.3f}, GPS {100 * result['gps']:.1f} %")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
