"""What the network should say of a picture, and how far it is from it (Ren et al. 2015, He et al. 2017)."""

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
PROPOSED, GRAIN = 200, 128  # proposals of a picture; RoIs, of which a head on a GPU gets a multiple
BOX_WEIGHT, DICE_WEIGHT, DENSE_WEIGHT = 1.5, 0.5, 0.5
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

    def forward(self, labels: dict, seed: int, bodies: dict | None = None) -> dict[str, torch.Tensor]:
        """Losses by name: rpn_score, rpn_box, score, box, mask, and with bodies parts, u, v.

        labels: a batch of train.loader; seed: of what is sampled; bodies: a batch of train.bodies, whose pictures the network
        sees together with those.
        """
        images = torch.cat([labels["images"], *([bodies["images"]] if bodies else [])]).permute(0, 3, 1, 2)
        random = torch.Generator(images.device).manual_seed(seed)
        levels, objectness, deltas = self.network.trunk((images.float() - 127) / 128)
        batch = len(labels["images"])
        objectness = [one[:batch].permute(0, 2, 3, 1).reshape(batch, -1).float() for one in objectness]
        deltas = [one[:batch].permute(0, 2, 3, 1).reshape(batch, -1, 4).float() for one in deltas]
        reference = [getattr(self, f"anchors_{index}") for index in range(self.levels)]
        coder = self.coder["rpn"], self.coder["clamp"]
        proposals = propose(reference, objectness, deltas, self.size, self.limits, *coder, PROPOSED)
        first = self._proposing(torch.cat(reference), torch.cat(objectness, 1), torch.cat(deltas, 1), labels, random)
        pool = [level.float() for level in levels[: len(self.roi["levels"])]]
        found = {**first, **self._heads(pool, *self._choose(proposals, labels, random), labels)}
        return {**found, **self._bodies(pool, bodies, batch)} if bodies else found

    def _bodies(self, pool, bodies, first):
        if len(bodies["boxes"]) < 2:  # batch norm wants more than one, and the graph every weight: two of whom nothing is known
            side = 2 * self.roi["mask"]
            nobody = bodies["boxes"].new_zeros(2, side, side)
            bodies = {"boxes": nobody[:, 0, :4], "picture": nobody[:, 0, 0].long()}
            bodies |= {"allowed": nobody.long(), "u": nobody, "v": nobody}
        picture = bodies["picture"] + first
        found = dense_losses(self._answers("dense", pool, bodies["boxes"], picture), bodies["allowed"], bodies["u"], bodies["v"])
        return {name: DENSE_WEIGHT * value for name, value in found.items()}

    def _proposing(self, reference, objectness, deltas, labels, random):
        wanted, target = match_anchors(reference, labels["boxes"], labels["crowds"])
        positive, chosen = _some(wanted == 1, ANCHORS // 2, random)
        negative, others = _some(wanted == 0, ANCHORS, random, ANCHORS - chosen.sum(1))
        count = (chosen.sum() + others.sum()).clamp(min=1)
        wrong = functional.softplus(objectness.gather(1, negative))[others].sum()
        missed = functional.softplus(-objectness.gather(1, positive))[chosen].sum()
        goal = encode(reference[positive[chosen]], _of(labels["boxes"], target.gather(1, positive))[chosen], self.coder["rpn"])
        box = functional.smooth_l1_loss(_of(deltas, positive)[chosen], goal, beta=1 / 9, reduction="sum")
        return {"rpn_score": (wrong + missed) / count, "rpn_box": box / count}

    def _choose(self, proposals, labels, random):
        """(boxes [R, 4], picture of each, object of each, −1 of the background), at most ROIS a picture."""
        boxes = torch.cat([proposals, labels["boxes"]], 1)
        best, target = overlap(boxes, labels["boxes"])[0].max(2)
        ignored = (overlap(boxes, labels["crowds"])[1] > COVERED).any(2) | ~boxes.any(2)
        positive, chosen = _some(best >= 0.5, ROIS // 3, random)
        negative, others = _some((best < 0.5) & ~ignored, ROIS, random, ROIS - chosen.sum(1))
        owner = torch.cat([target.gather(1, positive), torch.full_like(negative, -1)], 1)
        there = torch.cat([chosen, others], 1)
        return _of(boxes, torch.cat([positive, negative], 1))[there], torch.nonzero(there)[:, 0], owner[there]

    def _heads(self, pool, boxes, picture, owner, labels):
        positive = owner >= 0
        mine = picture[positive], owner[positive]
        classes = torch.zeros_like(owner)
        classes[positive] = labels["classes"][mine] + 1
        scores, deltas = self._answers("box", pool, boxes, picture)
        goal = encode(boxes[positive], labels["boxes"][mine], self.coder["box"])
        box = functional.smooth_l1_loss(deltas[positive], goal, beta=1.0, reduction="sum") / max(1, len(boxes))
        score = functional.cross_entropy(scores, classes)
        mask = self._masks(pool, boxes[positive], *mine, labels)
        return {"score": score, "box": BOX_WEIGHT * box, "mask": mask}

    def _answers(self, stage, pool, boxes, picture):
        """What the stage's head says of boxes, a list; on a GPU of a round number of them, since cuDNN plans each number anew."""
        count, round_to = len(boxes), GRAIN if boxes.is_cuda else 1
        rows = torch.arange(-(-count // round_to) * round_to, device=boxes.device) % count
        size = self.size[0], self.roi[stage], canonical(self.roi, stage)
        found = getattr(self.network, stage)(roi_align(pool, boxes[rows], picture[rows], *size))
        return [one[:count].float() for one in (found if isinstance(found, tuple) else (found,))]

    def _masks(self, pool, boxes, picture, owner, labels):
        known = labels["mask"][picture, owner] >= 0
        boxes, picture, owner = boxes[known], picture[known], owner[known]
        # Of a picture the first MASKS, which are as random as any: its RoIs come one after another.
        first = torch.arange(len(boxes), device=boxes.device) - torch.searchsorted(picture, picture) < MASKS
        boxes, picture, owner = boxes[first], picture[first], owner[first]
        side, weight = 2 * self.roi["mask"], 1.0
        goals = crop_masks(labels["masks"], labels["mask"][picture, owner], boxes, side)
        classes = labels["classes"][picture, owner]
        if len(boxes) < 2:  # batch norm wants more than one; the sum keeps every weight in the graph
            boxes, goals, weight = boxes.new_zeros(2, 4), boxes.new_zeros(2, side, side), 0.0
            picture = classes = torch.zeros(2, dtype=torch.long, device=boxes.device)
        (logits,) = self._answers("mask", pool, boxes, picture)
        logits = logits[torch.arange(len(boxes), device=boxes.device), classes]
        return weight * (functional.binary_cross_entropy_with_logits(logits, goals) + DICE_WEIGHT * dice(logits, goals))


def dice(logits: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Mean over masks [N, S, S] of one less their soft Dice overlap (Milletari et al. 2016).

    Cross-entropy alone asks each cell; where it is unsure, the mask that it asks for is smaller than the one of best IoU.
    """
    found = logits.sigmoid()
    shared, both = (found * goals).sum((1, 2)), (found**2 + goals**2).sum((1, 2))
    return (1 - (2 * shared + 1) / (both + 1)).mean()


def match_anchors(reference: torch.Tensor, boxes: torch.Tensor, crowds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(1 positive, 0 negative, −1 neither; index of the nearest object), int64 [B, N] each.

    reference: [N, 4]; boxes, crowds: [B, G, 4], [B, M, 4], zeros where there are no more.
    """
    shared = overlap(reference, boxes)[0]
    best, target = shared.max(2)
    top = shared.amax(1, keepdim=True)
    foremost = (shared == top) & (top > AT_LEAST)
    taken = foremost.any(2)
    target = torch.where(taken, foremost.byte().argmax(2), target)
    crowded = (overlap(reference, crowds)[1] > COVERED).any(2)
    wanted = torch.where(crowded | (best >= NEGATIVE), -1, 0)
    wanted[taken | (best >= POSITIVE)] = 1
    return wanted, target


def crop_masks(masks: torch.Tensor, rows: torch.Tensor, boxes: torch.Tensor, side: int) -> torch.Tensor:
    """Masks [M, H, W] of 0 and 1, those of rows [N] seen through boxes [N, 4]: float [N, side, side] of 0 and 1."""
    if not len(boxes):
        return boxes.new_zeros(0, side, side)
    height, width = masks.shape[1:]
    points = (torch.arange(side, device=boxes.device) + 0.5) / side
    x = (boxes[:, :1] + (boxes[:, 2:3] - boxes[:, :1]) * points) / width * 2 - 1
    y = (boxes[:, 1:2] + (boxes[:, 3:] - boxes[:, 1:2]) * points) / height * 2 - 1
    grid = torch.stack([x[:, None, :].expand(-1, side, -1), y[:, :, None].expand(-1, -1, side)], -1)
    return (functional.grid_sample(masks[rows][:, None].float(), grid, align_corners=False)[:, 0] >= 0.5).float()


def _some(wanted, limit, random, count=None):
    """(Index [B, limit] of some of those wanted [B, N], which of them are, at most `count` [B]), drawn at random."""
    draws = torch.rand(wanted.shape, generator=random, device=wanted.device).masked_fill(~wanted, -1)
    best, chosen = draws.topk(min(limit, draws.shape[1]), 1)
    there = best >= 0
    return chosen, there if count is None else there & (torch.arange(best.shape[1], device=best.device) < count[:, None])


def _of(rows, index):
    """Rows [B, N, 4] by index [B, K]."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[2]))
