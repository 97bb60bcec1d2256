"""Weights rounded so that a layer's output, not the weight, stays near: GPTQ (Frantar et al. 2022)."""

import numpy as np

from edgemask.calibration.walk import Layer

# Positions of a picture that a layer's statistics are taken from.
POSITIONS = 2048
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
    weight, hessian = _fitted(layer)
    scales = weight_scales(weight.reshape(len(layer.weight), -1))
    rounded = _round(weight, scales.reshape(*weight.shape[:2], 1).astype(np.float64), hessian)
    return rounded.reshape(layer.weight.shape).astype(np.float32), scales


def fitted(layer: Layer) -> np.ndarray:
    """The float weight with which a layer that stays in float makes up for the quantised ones before it."""
    return _fitted(layer)[0].reshape(layer.weight.shape).astype(np.float32)


def _fitted(layer):
    """(Weight [groups, out, in] that comes nearest to the float outputs, damped covariance of its inputs)."""
    hessian, cross = _moments(layer)
    groups, columns = hessian.shape[:2]
    weight = layer.weight.reshape(groups, -1, columns).astype(np.float64)
    drift = (cross - hessian).transpose(0, 2, 1)
    damping = DAMPING * np.trace(hessian, axis1=1, axis2=2) / columns + 1e-12
    hessian = hessian + np.eye(columns) * damping[:, None, None]
    return weight + np.linalg.solve(hessian, drift @ weight.transpose(0, 2, 1)).transpose(0, 2, 1), hessian


def _round(weight, steps, hessian):
    """GPTQ over the columns of weight [groups, out, in], in each group those that matter most first.

    In its LDLQ form (Chee et al. 2023, QuIP, theorem 6), which is the same and needs no inverse.
    """
    order = np.argsort(-np.diagonal(hessian, axis1=1, axis2=2), axis=1, kind="stable")
    weight = np.take_along_axis(weight, order[:, None], axis=2)
    hessian = np.take_along_axis(np.take_along_axis(hessian, order[:, :, None], axis=1), order[:, None], axis=2)
    upper = np.linalg.cholesky(hessian[:, ::-1, ::-1])[:, ::-1, ::-1]
    feedback = upper / np.diagonal(upper, axis1=1, axis2=2)[:, None]
    errors, block, columns = np.zeros_like(weight), 64, weight.shape[2]
    for start in range(0, columns, block):
        stop = min(start + block, columns)
        wanted = weight[:, :, start:stop] + errors[:, :, :start] @ feedback[:, :start, start:stop]
        for column in range(start, stop):
            made_up = errors[:, :, start:column] @ feedback[:, start:column, column, None]
            value = wanted[:, :, column - start, None] + made_up
            snapped = np.clip(np.rint(value / steps), -127, 127) * steps
            errors[:, :, column] = weight[:, :, column] - snapped[:, :, 0]
    return np.take_along_axis(weight - errors, np.argsort(order, axis=1)[:, None], axis=2)


def _moments(layer):
    """(Covariance of the quantised inputs under the kernel, covariance of the exact with the quantised ones), each
    float64 [groups, columns, columns]; each batch counts the same.

    Means are left out because bias correction, which follows, makes up for them entirely.
    """
    totals, means = [0.0, 0.0], [0.0, 0.0]
    for taps in _chunks(layer):
        for index, one in enumerate(taps[:2]):
            totals[index] += one @ taps[0].transpose(0, 2, 1)
            means[index] += one @ taps[2].transpose(0, 2, 1)
    return [(total - side @ means[0].transpose(0, 2, 1)).astype(np.float64) for total, side in zip(totals, means, strict=True)]


def _chunks(layer):
    """Inputs under the kernel, some batches at a time: (quantised, exact, ones), [groups, columns, positions] and
    [1, 1, positions] float32, each position by the root of its share, so that batches count the same."""
    random, held = np.random.default_rng(0), []
    for index, sides in enumerate(zip(layer.quantised, layer.exact, strict=True), 1):
        seed = random.integers(2**32)
        taps = [_windows(layer, batch, np.random.default_rng(seed)) for batch in sides]
        share = np.float32((taps[0].shape[2] * len(layer.quantised)) ** -0.5)
        held.append([*(one * share for one in taps), np.full((1, 1, taps[0].shape[2]), share, np.float32)])
        if index == len(layer.quantised) or sum(one[2].shape[2] for one in held) >= POSITIONS:
            yield [np.concatenate(one, axis=2) for one in zip(*held, strict=True)]
            held = []


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
