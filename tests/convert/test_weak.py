"""Weak labels: a stick figure whose parts are known."""

import numpy as np
import pytest

from edgemask.convert.body import weak
from edgemask.keypoints import BACK, FRONT, facing

SIZE = 400
# Seen from the front, 300 tall, the left side at the right of the picture.
FIGURE = {
    "nose": (200, 60), "left_eye": (207, 52), "right_eye": (193, 52), "left_ear": (215, 56), "right_ear": (185, 56),
    "left_shoulder": (228, 100), "right_shoulder": (172, 100), "left_elbow": (262, 135), "right_elbow": (138, 135),
    "left_wrist": (290, 167), "right_wrist": (110, 167), "left_hip": (216, 189), "right_hip": (184, 189),
    "left_knee": (222, 258), "right_knee": (178, 258), "left_ankle": (226, 326), "right_ankle": (174, 326),
}  # fmt: skip
NAMES = list(FIGURE)


def keypoints(**changed):
    """The figure's, with some moved, or hidden by None."""
    found = FIGURE | changed
    return np.array([(*found[name], 2) if found[name] else (0, 0, 0) for name in NAMES], float)


def at(x, y, points=None, mask=None):
    """(set of allowed parts, V) of one pixel."""
    mask = np.ones((SIZE, SIZE), bool) if mask is None else mask
    bits, v = weak.labels(keypoints() if points is None else points, mask, np.array([x + 0.0]), np.array([y + 0.0]))
    assert bits.dtype == np.uint32 and bits.shape == v.shape == (1, 1)
    return {part for part in range(32) if bits[0, 0] >> part & 1}, v[0, 0]


@pytest.mark.parametrize("x, y, parts, v", [
    (245, 117.5, {15, 17}, 0.5),  # upper arm, left
    (155, 117.5, {16, 18}, 0.5),
    (276, 151, {19, 21}, 0.5),  # lower arm
    (124, 151, {20, 22}, 0.5),
    (298, 177, {4}, None),  # hand
    (102, 177, {3}, None),
    (219, 223.5, {8, 10}, 0.5),  # thigh
    (181, 223.5, {7, 9}, 0.5),
    (224, 292, {12, 14}, 0.5),  # shin
    (175, 309, {11, 13}, 0.75),
    (227, 340, {5}, None),  # foot
    (173, 340, {6}, None),
    (200, 145, {2}, None),  # torso from the front
    (213, 58, {24}, None),  # left half of the face
    (187, 58, {23}, None),
    (200, 60, {23, 24}, None),
])  # fmt: skip
def test_parts_of_a_stick_figure(x, y, parts, v):
    found, along = at(x, y)
    assert found == parts
    assert np.isnan(along) if v is None else along == pytest.approx(v, abs=0.02)


def test_nothing_is_said_off_the_limbs_or_off_the_mask():
    assert at(60, 60) == (set(), pytest.approx(np.nan, nan_ok=True))
    assert at(245, 117.5, mask=np.zeros((SIZE, SIZE), bool))[0] == set()
    assert at(245, 117.5, points=np.zeros((17, 3)))[0] == set()


def test_near_a_joint_both_limbs_are_allowed_and_v_is_left_out():
    parts, v = at(262, 135)
    assert parts == {15, 17, 19, 21} and np.isnan(v)


def test_an_arm_in_sight_is_before_the_trunk_and_one_that_is_not_allows_both():
    points = keypoints(left_elbow=(250, 150), left_wrist=(200, 135))
    parts, v = at(210, 138, points=points)
    assert parts == {19, 21} and np.isnan(v)
    points[NAMES.index("left_elbow"), 2] = 1
    parts, v = at(210, 138, points=points)
    assert {19, 21, 2} <= parts and not parts & {16, 18, 20, 22} and np.isnan(v)


def test_at_a_keypoint_in_sight_only_what_meets_there_is_allowed():
    points = keypoints(left_elbow=(250, 150), left_wrist=(190, 135), right_wrist=None)
    assert at(190, 135, points=points)[0] == {19, 21, 4}
    alone = np.zeros((17, 3))
    alone[[NAMES.index(name) for name in ("left_shoulder", "right_shoulder")]] = (228, 100, 2), (172, 100, 2)
    assert at(228, 100, points=alone)[0] == {1, 2, 15, 17} and at(200, 130, points=alone)[0] == set()


def test_an_arm_without_a_wrist_may_be_anywhere_in_its_reach():
    points = keypoints(left_elbow=(240, 145), left_wrist=None)
    assert at(215, 140, points=points)[0] == {2, 19, 21, 4}
    assert at(180, 110, points=points)[0].isdisjoint({19, 21})


def test_a_limb_that_points_at_the_camera_says_only_what_could_be_there():
    parts, v = at(237, 108, points=keypoints(left_elbow=(245, 115), left_wrist=(290, 140)))
    assert {15, 17} < parts and np.isnan(v)


def test_front_back_and_neither():
    mirrored = {name: (400 - x, y) for name, (x, y) in FIGURE.items()}
    hidden = dict.fromkeys(("nose", "left_eye", "right_eye"))
    assert facing(keypoints()) == FRONT
    assert facing(keypoints(**mirrored | hidden)) == BACK
    assert facing(keypoints(**mirrored)) == 0  # a face on a back
    assert facing(keypoints(left_shoulder=(203, 100), right_shoulder=(198, 100))) == 0  # from the side
    assert at(200, 145, points=keypoints(**mirrored))[0] == {1, 2}


def test_a_grid_over_a_box_is_the_picture_s_labels_at_those_points():
    points, mask = keypoints(), np.random.default_rng(0).random((SIZE, SIZE)) < 0.7
    whole, v = weak.labels(points, mask, np.arange(SIZE) + 0.5, np.arange(SIZE) + 0.5)
    columns, rows = np.arange(100, 300, 7) + 0.5, np.arange(40, 340, 11) + 0.5
    bits, along = weak.labels(points, mask, columns, rows)
    picked = np.ix_(rows.astype(int), columns.astype(int))
    np.testing.assert_array_equal(bits, whole[picked])
    np.testing.assert_array_equal(along, v[picked])
    assert (whole[~mask] == 0).all() and (whole > 0).any()
