import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as reference

from edgemask import rle


@settings(max_examples=200, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_any_mask_is_encoded_as_pycocotools_does_and_comes_back(mask):
    got = rle.encode(mask, mask.shape[::-1])
    want = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert got == {"size": want["size"], "counts": want["counts"].decode()}
    np.testing.assert_array_equal(rle.decode(got), mask)


@pytest.mark.parametrize("left, top", [(0, 0), (5, 2), (37, 0), (0, 25), (37, 25)])
def test_a_crop_is_encoded_as_the_whole_frame(left, top):
    crop = np.random.default_rng(left).uniform(size=(5, 3)) > 0.4
    full = np.zeros((30, 40), np.uint8)
    full[top : top + 5, left : left + 3] = crop
    want = reference.encode(np.asfortranarray(full))["counts"].decode()
    assert rle.encode(crop, (40, 30), left, top)["counts"] == want


def test_large_runs_survive():
    mask = np.zeros((1080, 1920), bool)
    mask[500:900, 300:1700] = True
    encoded = rle.encode(mask, (1920, 1080))
    np.testing.assert_array_equal(reference.decode({**encoded, "counts": encoded["counts"].encode()}), mask)


def test_an_empty_crop_is_an_empty_mask():
    assert not rle.decode(rle.encode(np.zeros((0, 0), bool), (7, 9))).any()
