"""RoIAlign for training: differentiable, on any device, as one weighted sum of the pyramid's cells a bin."""

import torch
from torch.nn import functional


def assign_levels(boxes: torch.Tensor, canonical: float, count: int) -> torch.Tensor:
    """Pyramid level of each box, 0 the finest: int64 [N], as edgemask.roi_align.assign_levels."""
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=1e-12).sqrt()
    return ((sides / canonical + 1e-6).log2().floor() + 1).clamp(0, count - 1).long()


def roi_align(levels, boxes: torch.Tensor, pictures: torch.Tensor, width: int, pooled: int, canonical: float, samples: int = 2):
    """Features [N, C, pooled, pooled] of boxes (He et al. 2017: aligned, samples × samples points a bin, averaged).

    levels: [B, C, h, w] each, fine to coarse; boxes: [N, 4] in the input's pixels; pictures: int64 [N], which of the batch;
    width: the input's. Every bin is an `embedding_bag` over the cells of all levels laid end to end.
    """
    cells = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, level.shape[1]) for level in levels])
    sizes = torch.tensor([level.shape[2:] for level in levels], device=boxes.device)
    starts = torch.tensor([0, *(level[:, 0].numel() for level in levels)], device=boxes.device).cumsum(0)
    assigned = assign_levels(boxes, canonical, len(levels))
    height_, width_ = sizes[assigned].unbind(1)
    scale = (width_ / width)[:, None]
    grid = (torch.arange(pooled * samples, device=boxes.device) + 0.5) / (pooled * samples)
    x = _axis(boxes[:, 0:1] * scale, boxes[:, 2:3] * scale, grid, width_)
    y = _axis(boxes[:, 1:2] * scale, boxes[:, 3:4] * scale, grid, height_)
    base = starts[assigned] + pictures * height_ * width_
    index, weight = [], []
    for row, down in y:
        for column, across in x:
            index.append(base[:, None, None] + row[:, :, None] * width_[:, None, None] + column[:, None, :])
            weight.append(down[:, :, None] * across[:, None, :])
    bins = (_by_bin(torch.stack(one, -1), pooled, samples) for one in (index, weight))
    index, weight = bins
    out = functional.embedding_bag(index, cells, mode="sum", per_sample_weights=weight.to(cells.dtype) / samples**2)
    return out.reshape(len(boxes), pooled, pooled, -1).permute(0, 3, 1, 2)


def _axis(low, high, grid, size):
    """Two (cell [N, P], weight [N, P]) pairs: the neighbours of each sample point."""
    limit = (size - 1)[:, None]
    position = (low - 0.5 + (high - low) * grid).clamp(min=0).minimum(limit)
    first = position.floor().long()
    share = position - first
    return (first, 1 - share), ((first + 1).minimum(limit), share)


def _by_bin(values, pooled, samples):
    """[N, P·s, P·s, 4] as [N·P·P, 4·s·s]."""
    values = values.reshape(-1, pooled, samples, pooled, samples, 4)
    return values.permute(0, 1, 3, 2, 4, 5).reshape(-1, 4 * samples**2)
