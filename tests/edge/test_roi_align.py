import numpy as np
import onnxruntime
import pytest

from edgemask.roi_align import assign_levels, canonical, roi_align


def reference(features, boxes, pooled, scale):
    """onnxruntime's own RoiAlign, half-pixel, 2×2 samples: [N, pooled, pooled, C]."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    node = helper.make_node(
        "RoiAlign", ["x", "rois", "batch"], ["out"], coordinate_transformation_mode="half_pixel",
        output_height=pooled, output_width=pooled, sampling_ratio=2, spatial_scale=scale,
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "roi",
        [helper.make_tensor_value_info("x", kind.FLOAT, [1, None, None, None]),
         helper.make_tensor_value_info("rois", kind.FLOAT, [None, 4]),
         helper.make_tensor_value_info("batch", kind.INT64, [None])],
        [helper.make_tensor_value_info("out", kind.FLOAT, None)],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = {"x": features.transpose(0, 3, 1, 2), "rois": boxes, "batch": np.zeros(len(boxes), np.int64)}
    return session.run(None, inputs)[0].transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def scene():
    random = np.random.default_rng(3)
    levels = [random.normal(size=(1, 192 // s, 320 // s, 16)).astype(np.float32) for s in (8, 16, 32)]
    low = random.uniform(0, [300, 170], (60, 2))
    boxes = np.concatenate([low, np.minimum(low + random.uniform(3, 320, (60, 2)), [320, 192])], axis=1)
    edges = [[0, 0, 320, 192], [0, 0, 3, 3], [317, 189, 320, 192], [0, 90, 320, 94], [10.5, 0, 12.5, 192]]
    return levels, np.concatenate([boxes, edges]).astype(np.float32)


@pytest.mark.parametrize("pooled", [7, 14])
def test_float_levels_agree_with_onnxruntime(scene, pooled):
    levels, boxes = scene
    got = roi_align(levels, boxes, (320, 192), pooled, 2, 112)
    assigned = assign_levels(boxes, 112, 3)
    assert set(assigned) == {0, 1, 2}
    for index, level in enumerate(levels):
        want = reference(level, boxes[assigned == index], pooled, level.shape[2] / 320)
        np.testing.assert_allclose(got[assigned == index], want, atol=1e-4)


def test_a_mask_reads_a_finer_level_where_the_bundle_says_so():
    boxes, older = np.array([[0, 0, 150, 150]], np.float32), {"canonical": 112}
    newer = {**older, "canonical_mask": 224}
    assert [assign_levels(boxes, canonical(roi, "box"), 3)[0] for roi in (older, newer)] == [1, 1]
    assert [assign_levels(boxes, canonical(roi, stage), 3)[0] for roi in (older, newer) for stage in ("mask", "dense")] == [1, 1, 0, 0]


def test_quantised_levels_give_the_float_answer_but_for_a_rounding_and_a_moved_point(scene):
    levels, boxes = scene
    raw = [np.clip(np.rint(level * 40 + 128), 0, 255).astype(np.uint8) for level in levels]
    got = roi_align(raw, boxes, (320, 192), 7, 2, 112)
    exact = roi_align([level.astype(np.float32) for level in raw], boxes, (320, 192), 7, 2, 112)
    assert got.dtype == np.uint8
    # Noise at its wildest: over 250 levels from one cell to the next. A point moves by at most 1/256 of a cell.
    np.testing.assert_allclose(got, exact, atol=1.5)
    assert np.abs(got - exact).mean() < 0.3  # rounding alone is 0.25


def gathered(features, box, cell, pooled):
    """A box's bins in float64, four neighbours a point, the points moved to the next 1/128 cell: float [pooled, pooled, C]."""
    features, box = features[0].astype(float), (box / np.float32(cell)).astype(np.float32)
    along = (np.arange(2 * pooled, dtype=np.float32) + 0.5) / (2 * pooled)
    points = [box[i] - np.float32(0.5) + (box[i + 2] - box[i]) * along for i in (0, 1)]
    x, y = (np.rint(np.clip(points[i], 0, features.shape[1 - i] - 1) * 128) / 128 for i in (0, 1))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, bottom = np.minimum(left + 1, features.shape[1] - 1), np.minimum(top + 1, features.shape[0] - 1)
    dx, dy = (x - left)[:, None], (y - top)[:, None, None]
    upper = features[top][:, left] * (1 - dx) + features[top][:, right] * dx
    lower = features[bottom][:, left] * (1 - dx) + features[bottom][:, right] * dx
    return (upper * (1 - dy) + lower * dy).reshape(pooled, 2, pooled, 2, -1).mean(axis=(1, 3))


def test_quantised_sums_are_exact(scene):
    """So no order of addition, which is BLAS's and the processor's, can change a bit."""
    levels, boxes = scene
    raw = [np.clip(np.rint(level * 90 + 128), 0, 255).astype(np.uint8) for level in levels]
    got, assigned = roi_align(raw, boxes, (320, 192), 14, 2, 112), assign_levels(boxes, 112, 3)
    for box, level, features in zip(boxes, assigned, got, strict=True):
        np.testing.assert_array_equal(features, np.rint(gathered(raw[level], box, 8 << level, 14)))


def test_no_boxes_give_an_empty_batch(scene):
    assert roi_align(scene[0], np.empty((0, 4), np.float32), (320, 192), 7, 2, 112).shape == (0, 7, 7, 16)


def test_levels_follow_the_size_of_a_box():
    sides = [1, 55, 57, 111, 112, 223, 224, 2000]
    boxes = np.array([[0, 0, side, side] for side in sides], np.float32)
    assert assign_levels(boxes, 112, 3).tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
