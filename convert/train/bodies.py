"""Views of people of whose parts something is known, for a dense head that learns with the rest of the network."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from edgemask.convert.body.samples import LabelSet
from edgemask.convert.bundle_writer import describe
from edgemask.convert.train.augment import recolour
from edgemask.convert.train.recipe import Recipe

QUARTERED = 0.8  # of the views
KNOWN = ("boxes", "allowed", "u", "v")


@dataclass
class Bodies:
    """rgb: uint8 [H, W, 3] of the network's input size; boxes: float32 [N, 4] in its pixels; allowed: uint32, u and v: float32
    [N, side, side] over each box, as in body.samples."""

    rgb: np.ndarray
    boxes: np.ndarray
    allowed: np.ndarray
    u: np.ndarray
    v: np.ndarray


class BodyViews(Dataset):
    """View number n of a run, a function of the recipe's seed and n alone; every set is as likely as any other.

    Most are four views laid out as one (Bochkovskiy et al. 2020): the trunk's work is the pixels', the head's the people's.
    """

    def __init__(self, sets: list[LabelSet], recipe: Recipe):
        self.sets, self.recipe = sets, recipe
        self.side = 2 * describe((), *recipe.input)["roi"]["mask"]

    def __len__(self) -> int:
        return self.recipe.iterations * self.recipe.bodies

    def __getitem__(self, index: int) -> Bodies:
        random = np.random.default_rng([self.recipe.seed, 1, index])
        width, height = self.recipe.input
        if random.random() >= QUARTERED:
            return self._view((width, height), random)
        found = [self._view((width // 2, height // 2), random) for _ in range(4)]
        for number, one in enumerate(found):
            one.boxes += np.tile([number % 2 * width // 2, number // 2 * height // 2], 2).astype(np.float32)
        rgb = np.vstack([np.hstack([one.rgb for one in found[row : row + 2]]) for row in (0, 2)])
        return Bodies(rgb, *(np.concatenate([getattr(one, name) for one in found]) for name in KNOWN))

    def _view(self, size, random):
        picture = None
        while picture is None:
            labels = self.sets[random.integers(len(self.sets))]
            picture = labels.read(labels.images[random.integers(len(labels.images))])
        rgb, *known = picture.look(size, self.side, random)
        return Bodies(recolour(rgb, self.recipe.colour, random), *known)


def collate(views: list[Bodies]) -> dict[str, torch.Tensor]:
    """A batch: images uint8 [B, H, W, 3]; of all their people boxes [N, 4], picture [N] (which view), allowed int64, u and v
    [N, side, side]."""
    found = {name: np.concatenate([getattr(one, name) for one in views]) for name in KNOWN}
    found["allowed"] = found["allowed"].astype(np.int64)
    found["picture"] = np.concatenate([np.full(len(one.boxes), index) for index, one in enumerate(views)])
    found["images"] = np.stack([one.rgb for one in views])
    return {name: torch.from_numpy(values) for name, values in found.items()}
