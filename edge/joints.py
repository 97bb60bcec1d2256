"""Where a body's joints are, and how much of its surface is seen, from its parts, U and V."""

import cv2
import numpy as np

from edgemask.parts import COUNT, NAMES, group

FINE = 128  # pixels a side, about, that a body is looked at for its joints
CELLS = 8  # a part's chart is seen in 8×8 cells
NEAR = 0.25  # of a limb's length: how far from its end another may touch it for a joint
# For a limb to be extended to its end: the standard deviation of its V, that of half a limb, and its correlation with the place.
SPREAD, STRAIGHT = 0.5 / 12**0.5, 0.9
GUESSED = 0.25  # the confidence of a joint where limbs do not meet as they should
REACH = 0.15  # of the root of a body's area: how far what speaks for a joint may lie from it
LIMBS = ("torso", "head", *(f"{side}_{limb}" for side in ("left", "right")
                            for limb in ("upper_arm", "lower_arm", "hand", "upper_leg", "lower_leg", "foot")))  # fmt: skip
CENTRES = ("head", "left_hand", "right_hand", "left_foot", "right_foot")


def _joint(name, one, other, ends, near):
    return name, (LIMBS.index(one), LIMBS.index(other)), (ends, near)


# (Name, its two limbs, (V of each at the joint, how far from that their border may be)): V is 0 at a limb's trunk end.
JOINTS = (
    _joint("neck", "torso", "head", (0, 1), (0.5, 0.5)),
    *(
        _joint(f"{side}_{name}", one if one == "torso" else f"{side}_{one}", f"{side}_{other}", ends, near)
        for side in ("left", "right")
        for name, one, other, ends, near in (
            ("shoulder", "torso", "upper_arm", (0, 0), (1, NEAR)), ("elbow", "upper_arm", "lower_arm", (1, 0), (NEAR, NEAR)),
            ("wrist", "lower_arm", "hand", (1, 0), (NEAR, 0.5)), ("hip", "torso", "upper_leg", (1, 0), (0.5, NEAR)),
            ("knee", "upper_leg", "lower_leg", (1, 0), (NEAR, NEAR)), ("ankle", "lower_leg", "foot", (1, 0), (NEAR, 0.5)),
        )
    ),
)  # fmt: skip
NONE = 255
LIMB_OF = np.full(COUNT + 1, NONE, np.uint8)  # of each part
for _index, _name in enumerate(LIMBS):
    LIMB_OF[list(group(_name))] = _index


def joints(iuv: np.ndarray, left: int, top: int) -> dict[str, list[float]]:
    """{name: [x, y, confidence]} of the joints that are seen, in frame pixels; iuv: `dense.decode` at (left, top).

    A joint is the median of the border between its two limbs, as far as their V says that they meet there. At a quarter of the
    confidence it is that of any border they have; where they do not touch, the middle between them; and where there is but the
    limb nearer to the trunk, and at least half of it, what that is extended to. Confidence is the share of what speaks for a
    joint that lies near it, in [0, 1]. Head, hands and feet are their parts' medians.
    """
    step = max(1, round((iuv.shape[0] * iuv.shape[1]) ** 0.5 / FINE))
    iuv = iuv[::step, ::step]
    limbs, v = LIMB_OF[iuv[..., 0]], iuv[..., 2] / np.float32(255)
    rows, columns = np.nonzero(limbs != NONE)
    places, inside, along = np.stack([columns, rows], axis=1) + 0.5, limbs[rows, columns], v[rows, columns]
    border, pairs, meeting = _border(limbs, v)
    spoken = {name: (places[inside == LIMBS.index(name)], 1.0) for name in CENTRES}
    for name, limb, (end, near) in JOINTS:
        touching = np.flatnonzero(pairs == limb[0] * NONE + limb[1])
        there = touching[(np.abs(meeting[touching] - end) <= near).all(axis=1)]
        spoken[name] = border[there if len(there) else touching], 1.0 if len(there) else GUESSED
        if not len(touching):
            one, other = (inside == index for index in limb)
            if one.any() and other.any():
                spoken[name] = _between(limbs, limb[1], places[one], places[other]), GUESSED
            elif LIMBS[limb[0]] != "torso":
                spoken[name] = _extended(places[one], along[one], iuv.shape), GUESSED
    found, reach = {}, REACH * np.sqrt(len(places))
    for name, (speaking, most) in spoken.items():
        if len(speaking):
            middle = np.sort(speaking, axis=0)[len(speaking) // 2]
            sure = most * np.mean(np.hypot(*(speaking - middle).T) <= reach)
            x, y = (middle - 0.5) * step + 0.5 + (left, top)
            found[name] = [round(float(x), 1), round(float(y), 1), round(float(sure), 2)]
    return found


def _border(limbs, v):
    """Where two limbs touch: (places [N, 2] between their pixels, the limbs [N] as lower · NONE + higher, their V [N, 2])."""
    found = []
    for axis, half in ((0, (0.5, 1)), (1, (1, 0.5))):
        one, other, v_one, v_other = (
            plane[side] if axis == 0 else plane[:, side] for plane in (limbs, v) for side in (slice(-1), slice(1, None))
        )
        rows, columns = np.nonzero((one != other) & (one != NONE) & (other != NONE))
        pairs, along = (np.stack([a[rows, columns], b[rows, columns]]) for a, b in ((one, other), (v_one, v_other)))
        low, high = np.sort(pairs.astype(np.int32), axis=0)
        along = np.where(pairs[0] == low, along, along[::-1]).T
        found.append((np.stack([columns, rows], axis=1) + half, low * NONE + high, along))
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _between(limbs, index, one, other):
    """[1, 2], the middle of the gap between two limbs at `one` and `other`, the second of which is `index`."""
    far = cv2.distanceTransform((limbs != index).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    start = one[far[tuple(one[:, ::-1].astype(int).T)].argmin()]
    return (start + other[((other - start) ** 2).sum(axis=1).argmin()])[None] / 2


def _extended(places, along, shape):
    """[1, 2], where a limb seen at `places` with V `along` would end, at V = 1; [0, 2] where that is unsure or not in view."""
    none = np.empty((0, 2))
    if not len(places) or (spread := along.std()) < SPREAD:
        return none
    gaps, steps = places - places.mean(axis=0), along - along.mean()
    direction = steps @ gaps
    direction /= np.linalg.norm(direction) or 1
    on_it = gaps @ direction
    if np.mean(on_it * steps) <= STRAIGHT * on_it.std() * spread:
        return none
    found = places.mean(axis=0) + direction * on_it.std() / spread * (1 - along.mean())
    return found[None] if ((found >= 0) & (found < shape[1::-1])).all() else none


def coverage(iuv: np.ndarray) -> dict[str, float]:
    """The share of its surface that is seen of each part that is: cells of 8×8 on its chart that a pixel falls into."""
    part, u, v = (iuv[..., channel].astype(np.uint16) for channel in range(3))
    cells = (part * CELLS + u * CELLS // 256) * CELLS + v * CELLS // 256
    seen = np.bincount(cells.reshape(-1), minlength=(COUNT + 1) * CELLS**2).reshape(COUNT + 1, -1) > 0
    shares = seen.mean(axis=1)
    return {NAMES[number]: round(float(shares[number]), 3) for number in np.flatnonzero(shares) if number}
