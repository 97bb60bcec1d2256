import numpy as np
import pytest
from pycocotools import mask as coco_mask

from edgemask import Detections


def detections(boxes, scores, class_ids, size=(100, 80)):
    grids = np.ones((len(boxes), 28, 28), np.float32)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(class_ids, np.int64),
        grids, size, ("a", "b", "c"),
    )  # fmt: skip


def test_where_masks_overlap_the_higher_score_wins():
    both = detections([[10, 10, 50, 50], [30, 30, 70, 70]], [0.9, 0.6], [2, 0])
    classes = both.semantic()
    assert classes[40, 40] == 3 and classes[60, 60] == 1 and classes[0, 0] == 0
    swapped = both[[1, 0]].semantic()
    np.testing.assert_array_equal(classes, swapped)


def test_records_are_cocos():
    found = detections([[10.123, 10, 50, 50]], [0.9], [1])
    record = found.coco()[0]
    assert record["bbox"] == [10.12, 10.0, 39.88, 40.0]
    assert record["category_id"] == 2 and record["category"] == "b" and record["track_id"] is None
    mask = coco_mask.decode(record["segmentation"])
    np.testing.assert_array_equal(mask.astype(bool), found.masks()[0])
    assert mask.sum() == 40 * 40


def test_a_mask_is_as_sure_as_its_score_and_its_cells():
    both = detections([[10, 10, 50, 50], [30, 30, 70, 70], [0, 0, 9, 9]], [0.9, 0.8, 0.7], [0, 0, 0])
    both.grids[0], both.grids[1, :14], both.grids[1, 14:], both.grids[2] = 0.5, 1.0, 0.1, 0.2
    np.testing.assert_allclose(both.mask_scores, [0.45, 0.8, 0])  # cells beyond the mask's rim do not count
    assert [one["mask_score"] for one in both.coco()] == [0.45, 0.8, 0]


def test_nothing_found_is_no_special_case():
    nothing = detections([], [], [])
    assert len(nothing) == 0 and nothing.coco() == [] and nothing.masks().shape == (0, 80, 100)
    assert not nothing.semantic().any() and len(nothing.above(0.5)) == 0


def test_subsets():
    three = detections([[0, 0, 9, 9]] * 3, [0.9, 0.6, 0.2], [0, 1, 2])
    assert three.above(0.6).class_ids.tolist() == [0, 1]
    assert three[1].scores.tolist() == [np.float32(0.6)] and len(three[:2]) == 2
    assert three[three.class_ids == 2].class_ids.tolist() == [2]


def test_arrays_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match=r"\[N, 4\]"):
        detections([[0, 0, 9, 9]], [0.9, 0.8], [0])
