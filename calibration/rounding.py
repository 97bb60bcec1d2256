"""Weights rounded so that a layer's output, not the weight, stays near: GPTQ (Frantar et al. 2022)."""

import numpy as np

from edgemask.calibration.walk import Layer

# Positions of a picture that a layer's statistics are taken from.
POSITIONS = 4096
# Share of a column's mean variance added to each: with much less, few pictures speak for all and some layers go astray.
DAMPING = 1.0


def weight_scales(weight: np.ndarray) -> np.ndarray:
    """Symmetric int8 scale of each output channel, float32 [out]."""
    largest = np.abs(weight.reshape(len(weight), -1)).max(axis=1)
    return np.maximum(largest, 1e-8).astype(np.float32) / np.float32(127)


def nearest(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weight rounded to the nearest step of each channel, and the steps."""
    scales = weight_scales(weight)
    shaped = scales.reshape(-1, *[1] * (weight.ndim - 1))
    return (np.clip(np.rint(weight / shaped), -127, 127) * shaped).astype(np.float32), scales


def gptq(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """The layer's weight on an int8 grid and the grid's scales, each column's rounding error made up for by the
    columns still to come.

    What is rounded is not the float weight but the one that, from the quantised inputs the layer will see, comes
    nearest to the float outputs (least squares, damped towards the float weight): it makes up for the layers before, too.
    """
    rows = layer.weight.reshape(len(layer.weight), -1).astype(np.float64)
    moments = _moments(layer)
    rounded, scales = [], []
    for (hessian, cross), weight in zip(moments, np.split(rows, len(moments)), strict=True):
        drift = cross - hessian
        hessian = hessian + np.eye(len(hessian)) * (DAMPING * np.trace(hessian) / len(hessian) + 1e-12)
        weight = weight + np.linalg.solve(hessian, drift.T @ weight.T).T
        scales.append(weight_scales(weight))
        rounded.append(_round(weight, scales[-1], hessian))
    return np.concatenate(rounded).reshape(layer.weight.shape).astype(np.float32), np.concatenate(scales)


def _round(weight, scales, hessian):
    """GPTQ over the columns of weight [out, in], those that matter most first."""
    order = np.argsort(-np.diag(hessian), kind="stable")
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


def _moments(layer):
    """Per group of channels (covariance of the quantised inputs under the kernel, covariance of the exact with the
    quantised ones), float64 [columns, columns]; each batch counts the same.

    Means are left out because bias correction, which follows, makes up for them entirely.
    """
    total, means, random, count = 0.0, 0.0, np.random.default_rng(0), len(layer.quantised)
    for exact, quantised in zip(layer.exact, layer.quantised, strict=True):
        seed = random.integers(2**32)
        sides = [_windows(layer, batch, np.random.default_rng(seed)).astype(np.float64) for batch in (quantised, exact)]
        total = total + np.stack([side @ sides[0].transpose(0, 2, 1) for side in sides]) / sides[0].shape[2]
        means = means + np.stack([side.mean(axis=2) for side in sides])
    total, means = total / count, means / count
    covariances = total - means[:, :, :, None] * means[:1, :, None, :]
    return list(zip(*covariances, strict=True))


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
