import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from edgemask import masks, rle


def opencv_paste(grid, box, size):
    """The same sampling by cv2.remap, zeros outside: bool [height, width]."""
    x = (np.arange(size[0]) + 0.5 - box[0]) / (box[2] - box[0]) * 28 - 0.5
    y = (np.arange(size[1]) + 0.5 - box[1]) / (box[3] - box[1]) * 28 - 0.5
    xs, ys = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return cv2.remap(grid, xs, ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0) >= masks.CUT


@pytest.mark.parametrize(
    "box", [(20.3, 10.8, 90.1, 110.9), (0, 0, 160, 120), (3, 3, 5, 5), (100.5, 20.25, 160, 119.9), (0, 50, 160, 52.5)]
)
def test_pasting_agrees_with_opencv(box):
    random = np.random.default_rng(int(box[0]))
    grid = cv2.GaussianBlur(random.normal(size=(28, 28)).astype(np.float32), (13, 13), 3)
    grid = grid / grid.std() / 3 + 0.5
    box = np.array(box, np.float32)
    crop, left, top = masks.paste(grid, box, (160, 120))
    full = np.zeros((120, 160), bool)
    full[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    want = opencv_paste(grid, box, (160, 120))
    # remap rounds positions to 1/32 of a cell: a few pixels on the outline fall the other way.
    assert (full != want).sum() <= max(2, want.sum() // 100)
    assert 0 < want.sum() < want.size
    exact = rle.encode(crop, (160, 120), left, top)
    assert coco_mask.iou([exact], [rle.encode(want, (160, 120))], [0])[0, 0] > 0.98


def test_a_box_without_area_gives_an_empty_mask():
    crop, _, _ = masks.paste(np.ones((28, 28), np.float32), np.array([160, 5, 160, 9], np.float32), (160, 120))
    assert crop.size == 0
