import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask

from edgemask import boxes


def random_boxes(seed, count, size=100):
    random = np.random.default_rng(seed)
    low = random.uniform(0, size, (count, 2))
    return np.concatenate([low, low + random.uniform(1, size, (count, 2))], axis=1).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 60), st.sampled_from([0.3, 0.5, 0.7]))
def test_nms_agrees_with_onnxruntime(seed, count, threshold):
    onnx = pytest.importorskip("onnx")
    import onnxruntime

    helper, kind = onnx.helper, onnx.TensorProto
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "keep", "iou"], ["out"])
    graph = helper.make_graph(
        [node], "nms",
        [helper.make_tensor_value_info("boxes", kind.FLOAT, [1, None, 4]),
         helper.make_tensor_value_info("scores", kind.FLOAT, [1, 1, None])],
        [helper.make_tensor_value_info("out", kind.INT64, [None, 3])],
        [helper.make_tensor("keep", kind.INT64, [1], [20]), helper.make_tensor("iou", kind.FLOAT, [1], [threshold])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = random_boxes(seed, count)
    scores = np.random.default_rng(seed).permutation(count).astype(np.float32)
    want = session.run(None, {"boxes": found[None], "scores": scores[None, None]})[0][:, 2]
    assert boxes.nms(found, scores, threshold, 20).tolist() == want.tolist()


def test_nms_of_nothing_and_of_equal_scores():
    assert len(boxes.nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.5, 10)) == 0
    far_apart = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], np.float32)
    assert boxes.nms(far_apart, np.ones(3, np.float32), 0.5, 2).tolist() == [0, 1]


def test_soft_nms_keeps_the_same_box_of_two_classes():
    twice = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [1, 1, 10, 10]], np.float32)
    keep, share = boxes.soft_nms(twice, np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 2, 0]), 0.5, 0.05, 10)
    assert keep.tolist() == [0, 1] and share.tolist() == [1, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 40), st.sampled_from([0.3, 0.5]), st.sampled_from([1, 5, 40]))
def test_soft_nms_is_the_papers(seed, count, threshold, limit):
    """Bodla et al.'s loop, in double precision and with IoU by pycocotools: the best goes out, the others lose by it."""
    found, random = random_boxes(seed, count, 30), np.random.default_rng(seed)
    scores, classes = random.uniform(0.05, 1, count).astype(np.float32), random.integers(0, 2, count)
    sized = np.hstack([found[:, :2], found[:, 2:] - found[:, :2]]).astype(float)
    left, wanted = dict(enumerate(scores.astype(float))), []
    while left and len(wanted) < limit and max(left.values()) >= 0.2:
        best = max(left, key=left.get)
        wanted.append((best, left.pop(best)))
        for other in list(left):
            shared = float(mask.iou(sized[[best]], sized[[other]], [0])[0, 0]) if classes[best] == classes[other] else 0
            left[other] *= 1 - shared if shared > threshold else 1
            if shared >= boxes.NEAR:
                del left[other]
    keep, share = boxes.soft_nms(found, scores, classes, threshold, 0.2, limit)
    assert keep.tolist() == [index for index, _ in wanted]
    np.testing.assert_allclose(scores[keep] * share, [score for _, score in wanted], rtol=1e-4)


def test_dropped_boxes_vote_on_where_the_kept_one_is():
    found = np.array([[0, 0, 100, 100], [10, 0, 110, 100], [50, 0, 150, 100], [10, 0, 110, 100], [300, 0, 400, 90]], np.float32)
    scores, classes = np.array([0.6, 0.2, 0.9, 0.9, 0.5], np.float32), np.array([0, 0, 0, 1, 0])
    moved = boxes.vote(found, scores, classes, np.array([0, 4]))
    # The second is near the first (IoU 0.82), the third is not (0.33), the fourth is something else.
    np.testing.assert_allclose(moved, [[2.5, 0, 102.5, 100], [300, 0, 400, 90]], rtol=1e-6)
    assert moved.dtype == np.float32 and boxes.vote(found, scores, classes, np.empty(0, int)).shape == (0, 4)


@pytest.mark.parametrize("seed", range(5))
def test_votes_are_weighted_means(seed):
    random = np.random.default_rng(seed)
    found = random_boxes(seed, 6).repeat(5, axis=0)
    found += (random.normal(0, 0.04, found.shape) * np.tile(found[:, 2:] - found[:, :2], 2)).astype(np.float32)
    scores, classes, keep = random.random(30).astype(np.float32), random.integers(0, 2, 30), random.permutation(30)[:12]
    sized = np.hstack([found[:, :2], found[:, 2:] - found[:, :2]]).astype(float)
    near = mask.iou(sized[keep], sized, [0] * 30) >= boxes.NEAR
    wanted = [np.average(found[row & (classes == classes[index])], axis=0, weights=scores[row & (classes == classes[index])])
              for row, index in zip(near, keep, strict=True)]  # fmt: skip
    np.testing.assert_allclose(boxes.vote(found, scores, classes, keep), wanted, rtol=1e-5, atol=1e-4)


def test_raw_scores_rank_as_their_real_values_do():
    raw = np.array([3, 255, 0, 200, 255], np.uint8)
    assert boxes.descending(raw).tolist() == boxes.descending(raw.astype(np.float32)).tolist() == [1, 4, 3, 0, 2]


def test_deltas_encoded_by_the_papers_formula_decode_to_the_box():
    reference, target = random_boxes(0, 40), random_boxes(1, 40)
    side, wanted = reference[:, 2:] - reference[:, :2], target[:, 2:] - target[:, :2]
    centre, goal = reference[:, :2] + side / 2, target[:, :2] + wanted / 2
    deltas = np.concatenate([(goal - centre) / side * 10, np.log(wanted / side) * 5], axis=1)
    np.testing.assert_allclose(boxes.decode(reference, deltas, (10, 10, 5, 5), 4.135), target, rtol=1e-3, atol=1e-3)


def test_a_wild_delta_is_clamped():
    grown = boxes.decode(np.array([[0, 0, 1, 1]], np.float32), np.array([[0, 0, 99, 99]], np.float32), (1, 1, 1, 1), 4.135)
    assert grown[0, 2] - grown[0, 0] == pytest.approx(np.exp(4.135), rel=1e-5)
