"""Body parts: decoding against torch's own interpolation, and the model with its dense head."""

import itertools

import cv2
import numpy as np
import pytest

import edgemask
from edgemask import dense, masks
from edgemask.bundle import Bundle
from edgemask.errors import BundleError
from edgemask.parts import COUNT, MIRROR, NAMES

SIZE = (160, 120)


def smooth(random, *shape):
    return cv2.GaussianBlur(random.normal(size=shape).astype(np.float32), (0, 0), 1.5)


def straightforward(parts, uv, box, mask):
    """All planes resampled by torch, then argmax and gather: float64 [h, w, 3], and the lead of the largest logit."""
    torch = pytest.importorskip("torch")
    ends = torch.from_numpy(box.astype(np.float64)).reshape(2, 2)
    first = [int(np.floor(side)) for side in box[:2]]
    places = [torch.arange(first[axis], first[axis] + mask.shape[1 - axis], dtype=torch.float64) + 0.5 for axis in (0, 1)]
    x, y = ((places[axis] - ends[0, axis]) / (ends[1, axis] - ends[0, axis]) * 2 - 1 for axis in (0, 1))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]

    def sampled(planes):
        values = torch.from_numpy(planes.astype(np.float64)).permute(2, 0, 1)[None]
        return torch.nn.functional.grid_sample(values, grid, padding_mode="border", align_corners=False)[0]

    best, labels = sampled(parts).topk(2, dim=0)
    labels = (labels[0] + 1) * torch.from_numpy(mask)
    chosen = (labels - 1).clamp(min=0)[None]
    u, v = (sampled(uv[:, :, axis]).gather(0, chosen)[0] * (labels > 0) for axis in (0, 1))
    return torch.stack([labels, u, v], dim=-1).numpy(), (best[0] - best[1]).numpy()


BOXES = [[10.3, 20.8, 100.2, 90.1], [0, 0, 160, 120], [0, 30.5, 7.2, 120], [100, 0, 160, 50.5], [3, 3, 4, 4]]


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32])
def test_parts_u_and_v_are_those_of_a_straightforward_decoder(box, dtype):
    random, box = np.random.default_rng(0), np.array(box, np.float32)
    parts, uv = smooth(random, 28, 28, 24), random.integers(0, 256, (28, 28, 2, 24), np.uint8)
    if dtype is not np.float32:
        parts = np.clip(np.rint(200 * parts), -128, 127).astype(np.int8)
        parts = parts if dtype is np.int8 else parts.view(np.uint8) ^ 0x80
    mask, left, top = masks.paste(0.5 + smooth(random, 28, 28), box, SIZE)
    got, (want, lead) = dense.decode(parts, uv, box, mask, SIZE), straightforward(parts, uv, box, mask)
    assert (left, top) == tuple(np.floor(box[:2])) and got.shape == (*mask.shape, 3) and got.dtype == np.uint8
    sure = (lead > 1e-4) | ~mask
    assert sure.mean() > 0.97
    np.testing.assert_array_equal(got[sure, 0], want[sure, 0])
    assert np.abs(got[sure] - want[sure]).max() <= 0.501  # of a step
    assert mask.sum() < 100 or len(set(got[mask, 0])) > 5


def test_the_parts_mirror():
    others = [NAMES[MIRROR[number]] for number in (0, 1, 3, 15, 24)]
    assert others == ["background", "torso_back", "left_hand", "right_upper_arm_inner", "right_head"]
    assert all(MIRROR[MIRROR[number]] == number for number in range(COUNT + 1))


@pytest.fixture
def seeing():
    return edgemask.load(threads=1, dense=True)


def test_nothing_else_changes_when_the_dense_head_runs(seeing, astronaut):
    plain, found = edgemask.load(threads=1)(astronaut), seeing(astronaut)
    assert plain.parts is plain.uv is None and "dense" not in plain.ms and found.ms["dense"] > 0
    for name in ("boxes", "scores", "class_ids", "grids"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(found, name))
    assert not list(plain.iuv_crops()) and not plain.iuv().any()


def test_parts_lie_within_the_mask_and_the_better_person_is_in_front(seeing, astronaut):
    found = seeing(astronaut)
    assert len(found) > 3 and found.parts.shape == (len(found), 28, 28, 24) and found.uv.dtype == np.uint8
    for (iuv, left, top), (mask, *corner) in zip(found.iuv_crops(), found.crops(), strict=True):
        assert [left, top] == corner and not iuv[~mask].any() and (iuv[mask, 0] > 0).any()
        assert not iuv[iuv[..., 0] == 0].any()
    best = found[:1]
    np.testing.assert_array_equal(found.iuv()[best.iuv()[..., 0] > 0], best.iuv()[best.iuv()[..., 0] > 0])
    ranked = found.above(0.1)  # weaker ones share a score: none of them is the better
    assert len(ranked) > 3
    np.testing.assert_array_equal(ranked[::-1].iuv(), ranked.iuv())


def test_subsets_keep_their_own_parts(seeing, astronaut):
    found = seeing(astronaut)
    np.testing.assert_array_equal(next(found[2].iuv_crops())[0], next(itertools.islice(found.iuv_crops(), 2, None))[0])
    assert len(found.above(0.5).parts) == len(found.above(0.5)) < len(found)


@pytest.mark.parametrize("people", [0, 1, 20])
def test_any_number_of_people(seeing, astronaut, people):
    from edgemask.benchmarks.latency.scenes import Scenes

    scenes = Scenes(seeing)
    scenes.tell(people)
    found = scenes.look()
    assert len(found) == len(list(found.iuv_crops())) == people == len(found.coco())


def test_both_engines_find_the_same_parts(astronaut):
    pytest.importorskip("onnxruntime")
    onnx, tflite = (edgemask.load(engine=engine, threads=1, dense=True)(astronaut) for engine in ("onnx", "tflite"))
    for (one, *_), (other, *_) in zip(onnx.iuv_crops(), tflite.iuv_crops(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_person_cut_by_the_border(seeing, astronaut):
    found = seeing(np.ascontiguousarray(astronaut[:, 180:]))
    x0, _, _, y1 = found.boxes[0]
    assert x0 < 2 and y1 > 500
    crop, left, _ = next(found.iuv_crops())
    assert left <= 1 and (crop[:, 0, 0] > 0).any()


def test_a_bundle_without_the_head_says_so(headless):
    with pytest.raises(BundleError, match="has no dense head"):
        edgemask.load(headless, dense=True)
    assert edgemask.Bundle().stages(dense=False) == ("trunk", "box", "mask")


def test_a_head_that_does_not_fit_is_refused(shipped_stages, tmp_path):
    from edgemask.convert.bundle_writer import write_bundle

    bundle, stages, odd = Bundle(), shipped_stages, tmp_path / "odd.edgemask"
    write_bundle(odd, {**bundle.manifest, "roi": {**bundle.manifest["roi"], "dense": 7}}, stages)
    with pytest.raises(BundleError, match=r"gives rois of stage dense for \w+ the shape"):
        Bundle(odd)
    plain = {key: one for key, one in bundle.manifest["roi"].items() if key != "dense"}
    write_bundle(odd, {**bundle.manifest, "roi": plain}, stages)
    with pytest.raises(BundleError, match="roi.dense"):
        Bundle(odd)
    write_bundle(odd, bundle.manifest, [one for one in stages if (one.name, one.engine) != ("dense", "onnx")])
    assert Bundle(odd).engines() == ["tflite"]
