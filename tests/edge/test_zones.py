"""Zones: whose mask, not box, touches a polygon."""

import cv2
import numpy as np
import pytest

from edgemask.cli import main
from edgemask.detections import Detections
from edgemask.errors import OptionError
from edgemask.zones import Zone, parse_zones, touched

SIZE = (100, 50)


def squares(*boxes, grid=None):
    """Instances of SIZE whose masks fill their boxes, or are this 28×28 grid."""
    count = len(boxes)
    grids = np.repeat((np.ones((28, 28)) if grid is None else grid)[None], count, axis=0).astype(np.float32)
    found = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(found, np.full(count, 0.9, np.float32), np.zeros(count, np.int64), grids, SIZE, ("person",))


def zone(*points):
    return Zone("z", tuple((x / SIZE[0], y / SIZE[1]) for x, y in points))


LEFT = zone((0, 0), (50, 0), (50, 50), (0, 50))


def test_a_fraction_is_a_part_of_the_frame_whatever_its_size():
    for width, height in ((100, 50), (640, 480), (31, 17)):
        whole = Zone("z", ((0, 0), (1, 0), (1, 1), (0, 1)))
        half = Zone("z", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
        assert whole.pixels((width, height)).shape == (height, width) and whole.pixels((width, height)).all()
        assert abs(int(half.pixels((width, height))[0].sum()) - width / 2) <= 1


def test_touching_by_hand():
    people = squares((10, 10, 20, 20), (48, 0, 60, 9), (60, 10, 70, 20), (53, 0, 54, 50))
    assert touched([LEFT], people)[:, 0].tolist() == [True, True, False, False]
    triangle = zone((60, 5), (99, 5), (99, 45))
    assert touched([LEFT, triangle], people)[:, 1].tolist() == [False, False, True, False]


def test_the_mask_counts_and_not_the_box():
    right_half = np.zeros((28, 28))
    right_half[:, 14:] = 1
    over_the_border = (40, 10, 80, 30)  # its left half is in the zone, its mask begins at 60
    assert touched([LEFT], squares(over_the_border))[0, 0]
    assert not touched([LEFT], squares(over_the_border, grid=right_half))[0, 0]


def test_a_concave_zone_has_a_notch():
    u = zone((0, 0), (20, 0), (20, 40), (80, 40), (80, 0), (100, 0), (100, 50), (0, 50))
    people = squares((30, 5, 70, 30), (30, 5, 70, 45), (85, 5, 95, 15))
    assert touched([u], people)[:, 0].tolist() == [False, True, True]


def test_against_every_pixel_on_its_own():
    """fillPoly against the distance of each pixel's centre to the polygon, on random polygons and real masks' shapes."""
    random = np.random.default_rng(7)
    for _ in range(30):
        corners = random.uniform(0, 1, (random.integers(3, 8), 2))
        pixels = Zone("z", tuple(map(tuple, corners))).pixels(SIZE)
        contour = np.rint(corners * SIZE - 0.5).astype(np.float32)
        distance = np.array([
            [cv2.pointPolygonTest(contour, (x, y), True) for x in range(SIZE[0])] for y in range(SIZE[1])
        ])  # fmt: skip
        # Where a polygon crosses itself the two count insides alike; on the border a pixel may fall either way.
        clear = np.abs(distance) > 1
        np.testing.assert_array_equal(pixels[clear], distance[clear] > 0)


def test_people_and_zones_of_a_real_picture(model, astronaut):
    people = model(astronaut).above(0.7)
    zones = [Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1))), Zone("corner", ((0.98, 0), (1, 0), (1, 0.02)))]
    found = touched(zones, people)
    masks = people.masks()
    for column, one in enumerate(zones):
        reference = cv2.fillPoly(np.zeros((512, 512), np.uint8), [np.rint(np.array(one.points) * 512 - 0.5).astype(int)], 1)
        assert found[:, column].tolist() == [bool((mask & (reference > 0)).any()) for mask in masks]
    assert found[:, 0].all() and len(people) and touched([], people).shape == (len(people), 0)
    assert touched(zones, people[:0]).shape == (0, 2)


def test_words_become_zones():
    (door,) = parse_zones([["door", "0,0.5", "0.3,0.5", ".3,1"]])
    assert door == Zone("door", ((0, 0.5), (0.3, 0.5), (0.3, 1)))


@pytest.mark.parametrize("words, complaint", [
    (["0,0", "0.5,0", "0.5,1"], "a name is made of"),
    (["a b", "0,0", "1,0", "1,1"], "a name is made of"),
    (["door"], "encloses nothing"),
    (["door", "0,0", "1,1"], "encloses nothing"),
    (["door", "0,0", "0.5,0.5", "1,1"], "encloses nothing"),
    (["door", "0,0", "640,0", "640,480"], "'640,0' is not x,y in fractions"),
    (["door", "0,0", "1,x", "1,1"], "'1,x' is not x,y"),
    (["door", "0,0", "nan,0", "1,1"], "'nan,0' is not x,y"),
    (["door", "0 0", "1,0", "1,1"], "'0 0' is not x,y"),
    (["door", "0,0,0", "1,0", "1,1"], "'0,0,0' is not x,y"),
])  # fmt: skip
def test_nonsense_is_one_sentence(words, complaint, capsys):
    with pytest.raises(OptionError, match=complaint):
        parse_zones([words])
    assert main(["run", "picamera2", "--mqtt", "mqtt://localhost", "--zone", *words]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert complaint in sentence


def test_a_name_is_given_once():
    with pytest.raises(OptionError, match="--zone door is given twice"):
        parse_zones([["door", "0,0", "1,0", "1,1"], ["door", "0,0", "0,1", "1,1"]])
