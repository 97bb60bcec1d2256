"""What the network should say of a picture, and how far it is from it (Ren et al. 2015, He et al. 2017)."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from edgemask.convert.body.learn import losses as dense_losses
from edgemask.convert.bundle_writer import describe
from edgemask.convert.network import Network
from edgemask.convert.train.proposals import encode, overlap, propose
from edgemask.convert.train.roi import roi_align
from edgemask.proposals import anchors
from edgemask.roi_align import canonical

POSITIVE, NEGATIVE, AT_LEAST = 0.65, 0.3, 0.15  # IoU of anchors; every object has its best one above AT_LEAST
ANCHORS, ROIS, MASKS = 128, 96, 10  # sampled of each picture
PROPOSED = 200
BOX_WEIGHT, DICE_WEIGHT, DENSE_WEIGHT = 1.5, 0.5, 0.3
COVERED = 0.5  # share of a box in a crowd from which nothing is learned of it


class Losses(nn.Module):
    """A network with its losses, so that DistributedDataParallel sees one forward pass."""

    def __init__(self, network: Network, classes, size: tuple[int, int]):
        super().__init__()
        self.network, self.size = network, size
        family = describe(classes, *size, dense=True)
        self.limits, self.coder, self.roi = family["proposals"], family["box_coder"], family["roi"]
        layout = family["anchors"]
        for index, (stride, side) in enumerate(zip(layout["strides"], layout["sizes"], strict=True)):
            boxes = torch.from_numpy(anchors(*size, stride, side, layout["ratios"]))
            self.register_buffer(f"anchors_{index}", boxes, persistent=False)
        self.levels = len(layout["strides"])

    def forward(self, images: torch.Tensor, labels: list[dict], seed: int, bodies: dict | None = None) -> dict[str, torch.Tensor]:
        """Losses by name: rpn_score, rpn_box, score, box, mask, and with bodies parts, u, v.

        images: uint8 [B, 3, H, W]; labels: a dict of tensors a picture, as `Sample` has them; seed: of what is sampled;
        bodies: what is known of the people on the pictures that come after those with labels (train.bodies).
        """
        random = torch.Generator(images.device).manual_seed(seed)
        levels, objectness, deltas = self.network.trunk((images.float() - 127) / 128)
        batch = len(labels)
        objectness = [one[:batch].permute(0, 2, 3, 1).reshape(batch, -1) for one in objectness]
        deltas = [one[:batch].permute(0, 2, 3, 1).reshape(batch, -1, 4) for one in deltas]
        reference = [getattr(self, f"anchors_{index}") for index in range(self.levels)]
        coder = self.coder["rpn"], self.coder["clamp"]
        proposals = propose(reference, objectness, deltas, self.size, self.limits, *coder, PROPOSED)
        first = self._proposing(torch.cat(reference), torch.cat(objectness, 1), torch.cat(deltas, 1), labels, random)
        chosen = [self._choose(found, one, random) for found, one in zip(proposals, labels, strict=True)]
        pool = [level.float() for level in levels[: len(self.roi["levels"])]]
        found = {**first, **self._heads(pool, chosen, labels)}
        return {**found, **self._bodies(pool, bodies, batch)} if bodies else found

    def _bodies(self, pool, bodies, first):
        if len(bodies["boxes"]) < 2:  # batch norm wants more than one, and the graph every weight: two of whom nothing is known
            side = 2 * self.roi["mask"]
            nobody = bodies["boxes"].new_zeros(2, side, side)
            bodies = {"boxes": nobody[:, 0, :4], "picture": nobody[:, 0, 0].long()}
            bodies |= {"allowed": nobody.long(), "u": nobody, "v": nobody}
        picture = bodies["picture"] + first
        pooled = self._pooled(pool, bodies["boxes"], picture, "dense")
        outputs = (one.float() for one in self.network.dense(pooled))
        found = dense_losses(outputs, bodies["allowed"], bodies["u"], bodies["v"])
        return {name: DENSE_WEIGHT * value for name, value in found.items()}

    def _proposing(self, reference, objectness, deltas, labels, random):
        scores, boxes, count = [], [], 0
        for score, delta, one in zip(objectness, deltas, labels, strict=True):
            wanted, target = match_anchors(reference, one)
            positive = _some(wanted == 1, ANCHORS // 2, random)
            negative = _some(wanted == 0, ANCHORS - len(positive), random)
            count += len(positive) + len(negative)
            picked = torch.cat([positive, negative])
            truth = (wanted[picked] == 1).float()
            scores.append(functional.binary_cross_entropy_with_logits(score[picked].float(), truth, reduction="sum"))
            goal = encode(reference[positive], one["boxes"][target[positive]], self.coder["rpn"])
            boxes.append(functional.smooth_l1_loss(delta[positive].float(), goal, beta=1 / 9, reduction="sum"))
        return {"rpn_score": sum(scores) / max(1, count), "rpn_box": sum(boxes) / max(1, count)}

    def _choose(self, proposals, one, random):
        """(boxes [≤ ROIS, 4], index of the object of each, −1 of the background)."""
        boxes = torch.cat([proposals, one["boxes"]])
        if not len(one["boxes"]):
            best, target = torch.zeros(len(boxes), device=boxes.device), torch.zeros_like(boxes[:, 0], dtype=torch.long)
        else:
            best, target = overlap(boxes, one["boxes"])[0].max(1)
        ignored = (overlap(boxes, one["crowds"])[1] > COVERED).any(1)
        positive = _some(best >= 0.5, ROIS // 3, random)
        negative = _some((best < 0.5) & ~ignored, ROIS - len(positive), random)
        owner = torch.cat([target[positive], torch.full_like(negative, -1)])
        return boxes[torch.cat([positive, negative])], owner

    def _heads(self, pool, chosen, labels):
        boxes = torch.cat([found for found, _ in chosen])
        owner = torch.cat([owner for _, owner in chosen])
        picture = torch.cat([torch.full_like(owner, index) for index, (_, owner) in enumerate(chosen)])
        positive = owner >= 0
        classes, truth = torch.zeros_like(owner), torch.zeros_like(boxes)
        for index, one in enumerate(labels):
            rows = positive & (picture == index)
            classes[rows], truth[rows] = one["classes"][owner[rows]] + 1, one["boxes"][owner[rows]]
        scores, deltas = self.network.box(self._pooled(pool, boxes, picture, "box"))
        goal = encode(boxes[positive], truth[positive], self.coder["box"])
        box = functional.smooth_l1_loss(deltas[positive].float(), goal, beta=1.0, reduction="sum") / max(1, len(boxes))
        score = functional.cross_entropy(scores.float(), classes)
        mask = self._masks(pool, boxes, owner, picture, classes, labels)
        return {"score": score, "box": BOX_WEIGHT * box, "mask": mask}

    def _pooled(self, pool, boxes, picture, stage):
        return roi_align(pool, boxes, picture, self.size[0], self.roi[stage], canonical(self.roi, stage))

    def _masks(self, pool, boxes, owner, picture, classes, labels):
        rows, goals = [], []
        side = 2 * self.roi["mask"]
        for index, one in enumerate(labels):
            mine = torch.nonzero((picture == index) & (owner >= 0))[:, 0]
            mine = mine[one["masked"][owner[mine]]][:MASKS]
            rows.append(mine)
            goals.append(crop_masks(one["masks"][owner[mine]], boxes[mine], side))
        rows, goals = torch.cat(rows), torch.cat(goals)
        if len(rows) < 2:  # batch norm wants more than one; the sum keeps every weight in the graph
            rows, goals, weight = torch.arange(2, device=boxes.device), boxes.new_zeros(2, side, side), 0.0
        else:
            weight = 1.0
        logits = self.network.mask(self._pooled(pool, boxes[rows], picture[rows], "mask"))
        logits = logits[torch.arange(len(rows)), (classes[rows] - 1).clamp(min=0)].float()
        return weight * (functional.binary_cross_entropy_with_logits(logits, goals) + DICE_WEIGHT * dice(logits, goals))


def dice(logits: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Mean over masks [N, S, S] of one less their soft Dice overlap (Milletari et al. 2016).

    Cross-entropy alone asks each cell; where it is unsure, the mask that it asks for is smaller than the one of best IoU.
    """
    found = logits.sigmoid()
    shared, both = (found * goals).sum((1, 2)), (found**2 + goals**2).sum((1, 2))
    return (1 - (2 * shared + 1) / (both + 1)).mean()


def match_anchors(reference: torch.Tensor, label: dict) -> tuple[torch.Tensor, torch.Tensor]:
    """(1 positive, 0 negative, −1 neither; index of the nearest object), int64 [N] each."""
    wanted = torch.zeros(len(reference), dtype=torch.long, device=reference.device)
    target = torch.zeros_like(wanted)
    if len(label["boxes"]):
        shared = overlap(reference, label["boxes"])[0]
        best, target = shared.max(1)
        wanted[best >= NEGATIVE] = -1
        top = shared.amax(0)
        anchor, owner = torch.nonzero((shared == top) & (top > AT_LEAST), as_tuple=True)
        wanted[anchor], target[anchor] = 1, owner
        wanted[best >= POSITIVE] = 1
    crowded = (overlap(reference, label["crowds"])[1] > COVERED).any(1)
    wanted[crowded & (wanted == 0)] = -1
    return wanted, target


def crop_masks(masks: torch.Tensor, boxes: torch.Tensor, side: int) -> torch.Tensor:
    """Masks [N, H, W] of 0 and 1 seen through boxes [N, 4]: float [N, side, side] of 0 and 1."""
    if not len(boxes):
        return boxes.new_zeros(0, side, side)
    height, width = masks.shape[1:]
    points = (torch.arange(side, device=boxes.device) + 0.5) / side
    x = (boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * points) / width * 2 - 1
    y = (boxes[:, 1:2] + (boxes[:, 3:] - boxes[:, 1:2]) * points) / height * 2 - 1
    grid = torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], -1)
    return (functional.grid_sample(masks[:, None].float(), grid, align_corners=False)[:, 0] >= 0.5).float()


def tensors(sample, device) -> dict[str, torch.Tensor]:
    """A `Sample`'s labels on a device."""
    names = ("boxes", "classes", "masks", "masked", "crowds")
    return {name: torch.from_numpy(np.ascontiguousarray(getattr(sample, name))).to(device) for name in names}


def _some(flags, count, random):
    """Indices of at most `count` of the flagged, at random."""
    found = torch.nonzero(flags)[:, 0]
    return found[torch.randperm(len(found), generator=random, device=found.device)[:count]]
