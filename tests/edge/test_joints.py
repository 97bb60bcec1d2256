"""Joints and coverage of a drawn body whose joints are known."""

import cv2
import numpy as np
import pytest

from edgemask.joints import coverage, joints
from edgemask.parts import COUNT, MIRROR, NAMES

# A body that faces us, its left is our right: (part, from, to, width), from the trunk outwards.
PLACES = {
    "neck": (100, 60), "left_shoulder": (128, 75), "left_elbow": (160, 110), "left_wrist": (190, 140),
    "left_hip": (112, 160), "left_knee": (118, 210), "left_ankle": (120, 260),
}  # fmt: skip
LIMBS = (
    ("left_upper_arm_outer", "left_shoulder", "left_elbow", 16), ("left_lower_arm_outer", "left_elbow", "left_wrist", 14),
    ("left_upper_leg_front", "left_hip", "left_knee", 20), ("left_lower_leg_front", "left_knee", "left_ankle", 16),
)  # fmt: skip


def place(name):
    """Where a joint is; the right ones mirror the left ones about x = 100."""
    x, y = PLACES[name.replace("right", "left")]
    return np.array([200 - x if name.startswith("right") else x, y], float)


def limb(iuv, part, one, other, width):
    """A rectangle from one place to another, V along and U across it."""
    y, x = np.mgrid[: iuv.shape[0], : iuv.shape[1]] + 0.5
    along = (other - one) / np.linalg.norm(other - one)
    v = ((x - one[0]) * along[0] + (y - one[1]) * along[1]) / np.linalg.norm(other - one)
    across = (x - one[0]) * -along[1] + (y - one[1]) * along[0]
    inside = (v >= 0) & (v < 1) & (np.abs(across) <= width / 2)
    iuv[inside] = np.stack([np.full(v.shape, part), 255 * (across / width + 0.5), 255 * v], axis=2)[inside].round()


@pytest.fixture
def body():
    iuv = np.zeros((300, 200, 3), np.uint8)
    limb(iuv, NAMES.index("torso_front"), np.array([100.0, 60]), np.array([100.0, 160]), 56)
    limb(iuv, NAMES.index("left_head"), np.array([100.0, 20]), np.array([100.0, 60]), 30)
    for side in ("left", "right"):
        for name, one, other, width in LIMBS:
            part = NAMES.index(name) if side == "left" else MIRROR[NAMES.index(name)]
            limb(iuv, part, *(place(joint.replace("left", side)) for joint in (one, other)), width)
        for name, after, before in (("hand", "wrist", "elbow"), ("foot", "ankle", "knee")):
            start = place(f"{side}_{after}")
            step = start - place(f"{side}_{before}")
            limb(iuv, NAMES.index(f"{side}_{name}"), start, start + 18 * step / np.linalg.norm(step), 14)
    return iuv


def test_joints_lie_where_the_body_was_drawn(body):
    found = joints(body, 1000, 500)
    assert set(found) == {"head", "neck"} | {
        f"{side}_{name}" for side in ("left", "right") for name in
        ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "hand", "foot")
    }  # fmt: skip
    for name in ("neck", *(joint.replace("left", side) for joint in PLACES if joint != "neck" for side in ("left", "right"))):
        x, y, sure = found[name]
        assert np.linalg.norm(place(name) + (1000, 500) - (x, y)) < 8 and 0.7 <= sure <= 1, (name, x, y, sure)
    x, y, _ = found["head"]
    assert abs(x - 1100) < 1 and abs(y - 540) < 1


def test_a_gap_between_limbs_is_bridged_at_a_quarter_of_the_confidence(body):
    x, y = place("left_elbow").astype(int)
    cv2.circle(body, (int(x), int(y)), 4, (0, 0, 0), -1)
    cv2.line(body, (int(x) - 12, int(y) + 12), (int(x) + 12, int(y) - 12), (0, 0, 0), 3)
    found = joints(body, 0, 0)
    assert np.linalg.norm(np.array(found["left_elbow"][:2]) - (x, y)) < 6 and found["left_elbow"][2] == 0.25
    assert found["right_elbow"][2] > 0.9


def test_a_limb_is_extended_to_an_end_that_is_hidden(body):
    x, y = place("left_elbow").astype(int)
    body[y - 10 :, x - 12 :] = 0
    found = joints(body, 0, 0)
    assert np.linalg.norm(np.array(found["left_elbow"][:2]) - (x, y)) < 6 and found["left_elbow"][2] == 0.25
    assert "left_wrist" not in found
    assert "left_elbow" not in joints(body[:, : x - 10], 0, 0)  # it would lie outside of what was looked at


def test_limbs_that_meet_where_their_v_does_not_end_make_a_guess(body):
    shin = np.isin(body[..., 0], [NAMES.index("left_lower_leg_front")])
    body[shin, 2] = 128
    found, (x, y) = joints(body, 0, 0), place("left_knee")
    assert np.linalg.norm(np.array(found["left_knee"][:2]) - (x, y)) < 6 and found["left_knee"][2] == 0.25


def test_an_arm_over_the_trunk_makes_no_joint_there(body):
    limb(body, NAMES.index("left_lower_arm_outer"), np.array([125.0, 130]), np.array([80.0, 130]), 14)
    limb(body, NAMES.index("left_upper_arm_outer"), np.array([128.0, 75]), np.array([125.0, 125]), 14)
    found = joints(body, 0, 0)
    assert np.linalg.norm(np.array(found["left_shoulder"][:2]) - (128, 75)) < 10


def test_who_is_half_out_of_the_picture_has_half_the_joints(body):
    found = joints(body[:150, :110], 0, 0)
    assert {"head", "neck", "right_shoulder", "right_elbow", "right_wrist"} <= set(found)
    assert not {"left_elbow", "left_knee", "right_knee", "right_foot"} & set(found)


def test_nothing_seen_is_no_special_case():
    for empty in (np.zeros((0, 0, 3), np.uint8), np.zeros((20, 10, 3), np.uint8)):
        assert joints(empty, 0, 0) == {} and coverage(empty) == {}


def test_coverage_is_the_share_of_each_chart_that_is_seen():
    u, v = np.meshgrid(np.arange(128), np.arange(256))
    half = np.stack([np.full(u.shape, 2), u, v], axis=2).astype(np.uint8)  # half of U, all of V
    assert coverage(half) == {"torso_front": 0.5}
    half[:64] = 0
    one = np.concatenate([half, np.full((256, 1, 3), (3, 7, 7), np.uint8)], axis=1)
    assert coverage(one) == {"torso_front": 0.375, "right_hand": round(1 / 64, 3)}


def test_left_and_right_swap_when_the_parts_do(body):
    swapped = body.copy()
    swapped[..., 0] = np.array(MIRROR, np.uint8)[body[..., 0]]
    found, other = joints(body, 0, 0), joints(swapped, 0, 0)
    for name, value in found.items():
        assert other[name.replace("left", "?").replace("right", "left").replace("?", "right")] == value
    assert len(MIRROR) == COUNT + 1
