"""Boxes in torch, a batch at a time: coding, IoU, and the RPN's proposals."""

import torch


def encode(reference: torch.Tensor, boxes: torch.Tensor, coder) -> torch.Tensor:
    """The deltas that turn reference boxes [N, 4] into boxes [N, 4]: the inverse of edgemask.boxes.decode."""
    size, wanted = reference[:, 2:] - reference[:, :2], boxes[:, 2:] - boxes[:, :2]
    shift = (boxes[:, :2] + wanted / 2 - reference[:, :2] - size / 2) / size
    return torch.cat([shift, (wanted / size).log()], 1) * boxes.new_tensor(coder)


def decode(reference: torch.Tensor, deltas: torch.Tensor, coder, clamp: float) -> torch.Tensor:
    """Deltas [..., 4] applied to reference boxes [..., 4]."""
    deltas = deltas / torch.tensor(coder, device=deltas.device)
    size = reference[..., 2:] - reference[..., :2]
    centre = reference[..., :2] + size / 2 + deltas[..., :2] * size
    half = deltas[..., 2:].clamp(max=clamp).exp() * size / 2
    return torch.cat([centre - half, centre + half], -1)


def overlap(boxes: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(IoU, share of the box that lies in the other), [..., N, M] each, of boxes [..., N, 4] and [..., M, 4]."""
    low = torch.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    high = torch.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(one[..., 2:] - one[..., :2]).clamp(min=0).prod(-1) for one in (boxes, others)]
    union = areas[0][..., :, None] + areas[1][..., None, :] - shared
    return shared / union.clamp(min=1e-9), shared / areas[0][..., :, None].clamp(min=1e-9)


def suppressed(boxes: torch.Tensor, threshold: float) -> torch.Tensor:
    """Which boxes greedy NMS drops, bool [B, N], of boxes [B, N, 4] sorted best first.

    Greedy is the fixed point of "a box goes when a better one that stays overlaps it", reached from the top down.
    """
    over = (overlap(boxes, boxes)[0] > threshold).triu(1)
    gone = torch.zeros(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    while True:
        again = (over & ~gone[:, :, None]).any(1)
        if torch.equal(again, gone):
            return gone
        gone = again


@torch.no_grad()
def propose(anchors, objectness, deltas, size, limits, coder, clamp: float, keep: int) -> torch.Tensor:
    """Each picture's proposals, [B, keep, 4], best first and then zeros, as edgemask.proposals.Proposer picks them.

    anchors, objectness, deltas: per level [n, 4], [B, n], [B, n, 4]; size: the input's (width, height).
    """
    boxes, scores = [], []
    for reference, score, delta in zip(anchors, objectness, deltas, strict=True):
        best, chosen = score.topk(min(limits["per_level"], score.shape[1]))
        picked = delta.gather(1, chosen[..., None].expand(-1, -1, 4))
        boxes.append(decode(reference[chosen], picked.float(), coder, clamp))
        scores.append(best.float())
    boxes, scores = torch.cat(boxes, 1), torch.cat(scores, 1)
    boxes = boxes.clamp(min=0).minimum(torch.tensor([*size, *size], device=boxes.device, dtype=boxes.dtype))
    small = (boxes[..., 2:] - boxes[..., :2]).amin(-1) <= limits["min_side"]
    scores, order = scores.masked_fill(small, -torch.inf).topk(min(limits["nms_input"], scores.shape[1]))
    boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
    fine = ~suppressed(boxes, limits["nms"]) & scores.isfinite()
    first = (~fine).byte().argsort(dim=1, stable=True)[:, :keep]
    return (boxes * fine[..., None]).gather(1, first[..., None].expand(-1, -1, 4))
