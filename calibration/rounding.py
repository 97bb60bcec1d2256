"""Weights rounded so that a layer's output, not the weight, stays near: GPTQ (Frantar et al. 2022)."""

import numpy as np

from edgemask.calibration.walk import Layer

# Positions of a picture that a layer's statistics are taken from.
POSITIONS = 4096
DAMPING = 0.01


def weight_scales(weight: np.ndarray) -> np.ndarray:
    """Symmetric int8 scale of each output channel, float32 [out]."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    return np.maximum(largest, 1e-8).astype(np.float32) / np.float32(127)


def nearest(weight: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The weight rounded to the nearest step of each channel."""
    shaped = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return (np.clip(np.rint(weight / shaped), -127, 127) * shaped).astype(np.float32)


def gptq(layer: Layer, scales: np.ndarray) -> np.ndarray:
    """The layer's weight on its grid, each column's rounding error made up for by the columns still to come."""
    weight = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
    hessians = _hessians(layer)
    if len(hessians) == 1:
        rounded = _round(weight, scales, hessians[0])
    else:  # depthwise: every channel has inputs of its own
        rows = [_round(weight[i : i + 1], scales[i : i + 1], one) for i, one in enumerate(hessians)]
        rounded = np.concatenate(rows)
    return rounded.reshape(layer.weight.shape).astype(np.float32)


def _round(weight, scales, hessian):
    """GPTQ over the columns of weight [out, in], those that matter most first."""
    diagonal = np.diag(hessian).copy()
    hessian = hessian + np.eye(len(hessian)) * (DAMPING * diagonal.mean() + 1e-12)
    order = np.argsort(-diagonal, kind="stable")
    weight, hessian = weight[:, order].copy(), hessian[np.ix_(order, order)]
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    steps = scales.astype(np.float64)[:, None]
    block = 64
    for start in range(0, weight.shape[1], block):
        stop = min(start + block, weight.shape[1])
        errors = np.empty((len(weight), stop - start))
        for column in range(start, stop):
            value = weight[:, column : column + 1]
            snapped = np.clip(np.rint(value / steps), -127, 127) * steps
            error = (value - snapped) / upper[column, column]
            weight[:, column:stop] -= error * upper[column : column + 1, column:stop]
            weight[:, column : column + 1] = snapped
            errors[:, column - start : column - start + 1] = error
        weight[:, stop:] -= errors @ upper[start:stop, stop:]
    back = np.empty_like(weight)
    back[:, order] = weight
    return back


def _hessians(layer):
    """Covariance of the inputs under the kernel, float64 [groups, columns, columns]; each batch counts the same.

    The mean is left out because bias correction, which follows, makes up for it entirely.
    """
    moments, means, random = 0.0, 0.0, np.random.default_rng(0)
    for batch in layer.quantised:
        windows = _windows(layer, batch, random).astype(np.float64)
        moments = moments + windows @ windows.transpose(0, 2, 1) / windows.shape[2]
        means = means + windows.mean(axis=2)
    moments, means = moments / len(layer.quantised), means / len(layer.quantised)
    return moments - means[:, :, None] * means[:, None, :]


def _windows(layer, batch, random):
    """A sample of the inputs under the kernel: float32 [groups, columns, positions]."""
    if batch.ndim == 2:
        return batch.T[None]
    kernel, strides = layer.weight.shape[2:], layer.attribute("strides", [1, 1])
    top, left, bottom, right = layer.attribute("pads", [0, 0, 0, 0])
    padded = np.pad(batch, ((0, 0), (0, 0), (top, bottom), (left, right)))
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))[:, :, :: strides[0], :: strides[1]]
    count = view.shape[0] * view.shape[2] * view.shape[3]
    chosen = random.choice(count, min(count, POSITIONS), replace=False)
    n, y, x = np.unravel_index(chosen, (view.shape[0], view.shape[2], view.shape[3]))
    taps = view[n, :, y, x].reshape(len(chosen), view.shape[1], -1)  # [positions, channels, kernel]
    groups = layer.attribute("group", 1)
    return taps.reshape(len(chosen), groups, -1).transpose(1, 2, 0)
