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


def batches(views: Dataset, batch: int, start: int, rank: int, world: int, workers: int) -> Iterator[list]:
    """This process's share of every iteration's `batch` views, from iteration `start` on."""
    share = batch // world
    indices = [
        iteration * batch + rank * share + one
        for iteration in range(start, len(views) // batch)
        for one in range(share)
    ]
    return iter(DataLoader(views, share, sampler=indices, num_workers=workers, collate_fn=list,
                           worker_init_fn=_alone, multiprocessing_context="fork" if workers else None))  # fmt: skip


def _alone(_):
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
