"""Batches of augmented pictures, the same for the same recipe whenever and wherever a run goes on."""

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from edgemask.convert.train.augment import Sample, sample
from edgemask.convert.train.dataset import Picture
from edgemask.convert.train.recipe import Recipe


class Views(Dataset):
    """View number n of a run, a function of the recipe's seed and n alone."""

    def __init__(self, pictures: list[Picture], recipe: Recipe):
        # Masks are rarer than boxes: a picture that has some is looked at twice in a round.
        self.order = [one for one in pictures for _ in range(1 + one.masked)]
        self.donors = [one for one in pictures if any(each.segmentation is not None for each in one.instances)]
        self.recipe = recipe

    def __len__(self) -> int:
        return self.recipe.iterations * self.recipe.batch

    def __getitem__(self, index: int) -> Sample:
        turn, place = divmod(index, len(self.order))
        chosen = np.random.default_rng([self.recipe.seed, turn]).permutation(len(self.order))[place]
        random = np.random.default_rng([self.recipe.seed, turn, place])
        donor = self.donors[random.integers(len(self.donors))] if self.donors and random.random() < self.recipe.paste else None
        return sample(self.order[chosen], self.recipe, random, donor)


def collate(samples: list[Sample]) -> dict[str, torch.Tensor]:
    """A batch: images uint8 [B, H, W, 3]; boxes float32 [B, G, 4], crowds [B, M, 4], zeros where there are no more; classes int64
    [B, G]; masks uint8 [K, H, W] of all of them, and mask int64 [B, G], whose each is, −1 where none is known."""
    counts = [max(1, *(len(getattr(one, name)) for one in samples)) for name in ("boxes", "crowds")]
    found = {
        "boxes": np.zeros((len(samples), counts[0], 4), np.float32), "crowds": np.zeros((len(samples), counts[1], 4), np.float32),
        "classes": np.zeros((len(samples), counts[0]), np.int64), "mask": np.full((len(samples), counts[0]), -1),
    }  # fmt: skip
    masks = 0
    for row, one in enumerate(samples):
        known = np.flatnonzero(one.masked)
        found["mask"][row, known] = masks + np.arange(len(known))
        masks += len(known)
        for name in ("boxes", "classes", "crowds"):
            found[name][row, : len(getattr(one, name))] = getattr(one, name)
    found["images"] = np.stack([one.rgb for one in samples])
    found["masks"] = np.concatenate([one.masks[one.masked] for one in samples])
    return {name: torch.from_numpy(values) for name, values in found.items()}


def batches(views: Dataset, batch: int, start: int, place, workers: int, collate=collate) -> Iterator[dict[str, torch.Tensor]]:
    """This place's share of every iteration's `batch` views, on its device, from iteration `start` on (place: trainer.Place)."""
    share, cuda = batch // place.world, place.device.type == "cuda"
    indices = [
        iteration * batch + place.rank * share + one
        for iteration in range(start, len(views) // batch)
        for one in range(share)
    ]
    loader = DataLoader(views, share, sampler=indices, num_workers=workers, collate_fn=collate, pin_memory=cuda,
                        worker_init_fn=_alone, multiprocessing_context="fork" if workers else None)  # fmt: skip
    for one in loader:
        yield {name: values.to(place.device, non_blocking=cuda) for name, values in one.items()}


def _alone(_):
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
