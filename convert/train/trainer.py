"""The training loop: AdamW with a cosine, a moving average of the weights, and a state on disk from which it goes on."""

import copy
import itertools
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import get_ema_multi_avg_fn

from edgemask.convert.network import Network
from edgemask.convert.train.bodies import BodyViews
from edgemask.convert.train.bodies import collate as collate_bodies
from edgemask.convert.train.loader import Views, batches
from edgemask.convert.train.losses import Losses
from edgemask.convert.train.recipe import Recipe
from edgemask.errors import CheckpointError
from edgemask.files import replacing

FLOOR, CLIP = 0.02, 5.0  # of the peak rate at the end; of the gradient's norm
STATE = "last.pt"


@dataclass(frozen=True)
class Place:
    """Where a process trains: its device, and its rank among `world` processes (torchrun's, else alone)."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks and writes."""
        return self.rank == 0


class Trainer:
    """One run of a recipe.

    >>> trainer = Trainer(recipe, network, classes, place)
    >>> for losses in trainer.steps(pictures):
    ...     print(trainer.iteration, losses["mask"])

    `network` is trained in place; `average` is its moving average, the one to keep.
    """

    def __init__(self, recipe: Recipe, network: Network, classes, place: Place):
        self.recipe, self.place, self.iteration, self.best = recipe, place, 0, -1.0
        # Channels last is what convolutions run on, two thirds of the time on a CPU.
        self.network = network.to(place.device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self.frozen = [self.network.get_submodule(name) for name in frozen(network, recipe)]
        for module in self.frozen:
            module.requires_grad_(False)
        self.losses = Losses(self.network, classes, recipe.input).to(place.device)
        self.optimiser = torch.optim.AdamW(self._groups(), lr=recipe.rate, fused=place.device.type == "cuda")
        self.forward = self.losses
        if place.world > 1:
            self.forward = DistributedDataParallel(self.losses, [place.device] if place.device.type == "cuda" else None)

    def _groups(self):
        """Weights of layers decay, biases and batch norms do not; the backbone learns at half the rate."""
        groups = {}
        for name, weight in self.network.named_parameters():
            if weight.requires_grad:
                key = name.startswith("backbone."), weight.ndim > 1
                groups.setdefault(key, []).append(weight)
        return [
            {"params": weights, "factor": 0.5 if backbone else 1.0, "weight_decay": self.recipe.decay * decays}
            for (backbone, decays), weights in groups.items()
        ]

    def steps(self, pictures, bodies=(), workers: int = 0):
        """Train to the end; after each iteration its losses by name, of this process's share of the batch.

        pictures: of train.dataset; bodies: `LabelSet`s, from which the dense head learns.
        """
        recipe, turn = self.recipe, (self.iteration, self.place, workers)
        people = batches(BodyViews(bodies, recipe), recipe.bodies, *turn, collate_bodies) if bodies else itertools.repeat(None)
        for labels, others in zip(batches(Views(pictures, recipe), recipe.batch, *turn), people, strict=False):
            losses = self._step(labels, others)
            self.iteration += 1
            yield losses

    def _step(self, labels, bodies):
        self.network.train()
        for module in self.frozen:
            module.eval()
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate * group["factor"] * pace(self.iteration, self.recipe)
        kind = self.place.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
            seed = (self.recipe.seed * 1_000_003 + self.iteration) * self.place.world + self.place.rank
            losses = self.forward(labels, seed, bodies)
        self.optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimiser.step()
        self._follow()
        found = dict(zip(losses, torch.stack(list(losses.values())).tolist(), strict=True))
        if not math.isfinite(sum(found.values())):
            raise CheckpointError(f"the losses of iteration {self.iteration} are not finite: lower the recipe's rate")
        return found

    @torch.no_grad()
    def _follow(self):
        """A young average forgets faster, or it would be the starting weights for long."""
        keep = min(self.recipe.average, (1 + self.iteration) / (10 + self.iteration))
        pairs = zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True)
        mine, theirs = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
        get_ema_multi_avg_fn(keep)(mine, theirs, None)

    def save(self, folder: Path):
        """Write the state from which `resume` goes on, whole or not at all."""
        state = {
            "recipe": self.recipe.sha256, "iteration": self.iteration, "best": self.best,
            "network": self.network.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }  # fmt: skip
        with replacing(folder / STATE) as temporary:
            torch.save(state, temporary)

    def resume(self, folder: Path) -> bool:
        """Go on where a run of the same recipe in this folder was; False where there is none. Raises CheckpointError."""
        path = folder / STATE
        if not path.exists():
            return False
        try:
            state = torch.load(path, map_location=self.place.device, weights_only=True)
        except Exception as error:  # torch has no error of its own for a damaged file
            raise CheckpointError(f"{path} is damaged: take it away to begin anew ({error})") from error
        if state["recipe"] != self.recipe.sha256:
            raise CheckpointError(f"{folder} holds a run of another recipe: give this one a folder of its own with --out")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration, self.best = state["iteration"], state["best"]
        return True


def frozen(network: Network, recipe: Recipe) -> list[str]:
    """Names of the network's parts that the recipe leaves as they are."""
    if recipe.heads:
        unasked = ["dense"] if network.dense is not None and not (recipe.dense or recipe.weak) else []
        return ["backbone", "fpn", "rpn", *unasked]
    return ["backbone.stem", *(f"backbone.blocks.{index}" for index in range(recipe.frozen))] if recipe.frozen else []


def pace(iteration: int, recipe: Recipe) -> float:
    """The learning rate's share of its peak: linear warm-up, then a cosine (Loshchilov and Hutter 2017)."""
    warm = min(1.0, (iteration + 1) / max(1, min(recipe.warmup, recipe.iterations // 2)))
    along = iteration / recipe.iterations
    return warm * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * along)))


def place(name: str | None, environment) -> Place:
    """This process's place: `name` is a device or None for a GPU where there is one; torchrun says the rest."""
    world, rank = (int(environment.get(key, default)) for key, default in (("WORLD_SIZE", 1), ("RANK", 0)))
    kind = name or ("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and world > 1:
        kind = f"cuda:{environment['LOCAL_RANK']}"
        torch.cuda.set_device(kind)
    if world > 1:
        distributed.init_process_group("nccl" if kind.startswith("cuda") else "gloo")
    return Place(torch.device(kind), rank, world)


class Pace:
    """Seconds an iteration, and how long is left."""

    def __init__(self, trainer: Trainer):
        self.trainer, self.begun, self.at = trainer, time.monotonic(), trainer.iteration

    def __str__(self):
        seconds = (time.monotonic() - self.begun) / max(1, self.trainer.iteration - self.at)
        left = seconds * (self.trainer.recipe.iterations - self.trainer.iteration)
        return f"{seconds:.2f} s an iteration, {left / 60:.0f} min left"
