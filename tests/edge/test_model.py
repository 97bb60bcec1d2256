import cv2
import numpy as np
import pytest

import edgemask
from edgemask.bundle import TensorInfo
from edgemask.engines.fake import FakeEngine
from edgemask.errors import OptionError
from edgemask.letterbox import content_size, letterbox
from edgemask.proposals import Proposer, anchors
from edgemask.roi_align import roi_align


def quantise(info: TensorInfo, real) -> np.ndarray:
    limits = np.iinfo(info.dtype)
    return np.clip(np.rint(np.asarray(real) / info.scale) + info.zero_point, limits.min, limits.max).astype(info.dtype)


def scoring(model, logits):
    """The model with a box head that gives these logits [N, 2] and moves no box."""
    model.engines["box"] = FakeEngine(
        box_scores=quantise(model.tensors["box_scores"], logits),
        box_deltas=quantise(model.tensors["box_deltas"], np.zeros((len(logits), 4))),
    )
    return model


def looking_twice(model, first, second, move):
    """The model with a box head that sees one person: for sure by `first` among the proposals, then by `second` [2], moved."""

    def answer(logits, deltas):
        return {"box_scores": quantise(model.tensors["box_scores"], logits),
                "box_deltas": quantise(model.tensors["box_deltas"], deltas)}  # fmt: skip

    proposed = answer([first] + [[9, -9]] * 99, np.zeros((100, 4)))
    again = answer([second], [move])
    model.engines["box"] = lambda rois: again if len(rois) == 1 else {name: value[: len(rois)] for name, value in proposed.items()}
    return model


def test_the_golden_glue(golden):
    real = TensorInfo("real", (), "float32")
    layout = [anchors(320, 320, stride, size, (0.5, 1, 2)) for stride, size in zip((8, 16, 32, 64), (32, 64, 128, 256))]
    for level, found in enumerate(layout):
        np.testing.assert_array_equal(found, golden[f"anchors_{level}"])
    # The code that trained person_v1 took 50 proposals, of an NMS at 0.7, and read all RoIs alike.
    nms, keep = (golden[name].item() if name in golden else old for name, old in (("nms", 0.7), ("keep", 50)))
    limits = {"per_level": 200, "min_side": 2, "nms_input": 400, "nms": nms, "keep": keep}
    proposals = Proposer(320, 320, layout, limits, (1, 1, 1, 1), 4.135)(
        [(golden[f"objectness_{level}"], real) for level in range(4)],
        [(golden[f"deltas_{level}"], real) for level in range(4)],
    )
    np.testing.assert_allclose(proposals, golden["proposals"], atol=1e-3)
    levels = [golden[name].transpose(0, 2, 3, 1) for name in ("p3", "p4", "p5")]
    sizes = golden["canonical"] if "canonical" in golden else (112, 112)
    for boxes, pooled, size in ((golden["proposals"][:8], 7, sizes[0]), (golden["boxes"][:4], 14, sizes[1])):
        features = roi_align(levels, boxes, (320, 320), pooled, 2, size).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(features, golden[f"roi{pooled}"], atol=1e-4)


def test_nobody(model, astronaut):
    nobody = scoring(model, [[9, -9]] * 100)(astronaut)
    assert len(nobody) == 0 and nobody.coco() == [] and nobody.grids.shape == (0, 28, 28)


def test_no_proposals_at_all(model, astronaut):
    trunk = model.engines["trunk"](np.zeros((1, 320, 320, 3), np.uint8))
    flat = {name: value * 0 for name, value in trunk.items()}
    for level in range(4):  # boxes shrunk to less than a pixel
        flat[f"deltas_{level}"][..., [2, 3, 6, 7, 10, 11]] = 0
    model.engines["trunk"] = FakeEngine(**flat)
    model.proposer.limits["min_side"] = 1000
    assert len(model(astronaut)) == 0


def test_one_person(model, astronaut):
    one = scoring(model, [[-9, 9]] + [[9, -9]] * 99)(astronaut)
    assert len(one) == 1 and one.grids.shape == (1, 28, 28)
    assert one.coco()[0]["segmentation"]["size"] == [512, 512]


def test_what_is_found_is_looked_at_again(model, astronaut):
    """The mean of two looks: half of the second's move (in the box head's coder a tenth of the width), half of its doubt."""
    still = looking_twice(model, [-2, 2], [-2, 2], [0, 0, 0, 0])(astronaut)
    moved = looking_twice(model, [-2, 2], [0, 0], [1, 0, 0, 0])(astronaut)
    width = still.boxes[0, 2] - still.boxes[0, 0]
    np.testing.assert_allclose(moved.boxes[0] - still.boxes[0], [width / 20, 0, width / 20, 0], atol=0.01 * width)
    assert still.scores[0] == pytest.approx(0.98, abs=0.01) and moved.scores[0] == pytest.approx(0.74, abs=0.01)
    model.score = 0.75
    assert len(model(astronaut)) == 0


def test_who_overlaps_a_better_one_is_left_with_a_share_of_the_score(model, astronaut):
    model.limits["nms"] = 0.0
    crowd = scoring(model, [[-9, 9]] * 100)(astronaut)
    assert crowd.scores[0] > 0.99 and crowd.scores.min() < 0.9


def test_as_many_as_there_can_be(model, astronaut):
    model.limits["nms"] = 1.0
    crowd = scoring(model, [[-9, 9]] * 100)(astronaut)
    assert len(crowd) == model.limits["keep"] == 50 and crowd.masks().shape == (50, 512, 512)
    model.limits["keep"] = 7
    assert len(model(astronaut)) == 7


def test_the_astronaut_is_found(astronaut):
    people = edgemask.load(threads=1)(astronaut)
    assert people.scores[0] > 0.9 and (np.diff(people.scores) <= 0).all()
    x0, y0, x1, y1 = people.boxes[0]
    assert x0 < 60 and y0 < 60 and x1 > 250 and y1 > 450
    mask = people.masks()[0]
    assert mask[120, 220] and mask[300, 150] and not mask[100, 420]
    assert set(people.ms) == {"letterbox", "trunk", "proposals", "box", "mask", "total"}
    assert people.ms["total"] >= sum(value for part, value in people.ms.items() if part != "total")


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (700, 40), (320, 320), (1080, 1920)])
def test_frames_of_any_shape(model, shape):
    people = model(np.full((*shape, 3), 90, np.uint8))
    assert people.size == shape[::-1]
    assert (people.boxes >= 0).all() and (people.boxes <= [shape[1], shape[0]] * 2).all()


def test_a_mirrored_frame_gives_mirrored_people(model, astronaut):
    """Boxes are mapped back from the letterbox to the frame, also when the frame is wide."""
    wide = np.zeros((512, 900, 3), np.uint8)
    wide[:, 388:] = astronaut
    box, plain = model(wide).boxes[0], model(astronaut).boxes[0]
    assert np.abs(box - plain - [388, 0, 388, 0]).max() < 40


def test_what_is_no_frame_is_refused(model):
    with pytest.raises(ValueError, match="uint8"):
        model(np.zeros((10, 10), np.uint8))
    with pytest.raises(OptionError, match="threads"):
        edgemask.load(threads=0)


def test_letterbox_keeps_aspect_and_pads():
    image, ratio = letterbox(np.full((100, 200, 3), 9, np.uint8), 320, 192, 127)
    assert ratio == 1.6 and image.shape == (192, 320, 3)
    assert (image[:160] == 9).all() and (image[160:] == 127).all()


@pytest.mark.parametrize("size", [(512, 512), (1000, 375), (333, 500), (1280, 720), (321, 241), (200, 100)])
def test_letterbox_resizes_as_the_area_filter_does(astronaut, size):
    """Against OpenCV's own, of floats, which is not the same on every processor."""
    frame = cv2.resize(astronaut, size, interpolation=cv2.INTER_CUBIC)
    width, height = content_size(size, (320, 320))
    wanted = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if width < size[0] else cv2.INTER_LINEAR)
    content = letterbox(frame, 320, 320, 127)[0][:height, :width].astype(int)
    assert np.abs(content - wanted).mean() < 2.5
    assert np.abs(content.mean(axis=(0, 1)) - wanted.mean(axis=(0, 1))).max() < 0.2


def test_a_frame_resized_by_the_camera_gives_the_same_detections(model, astronaut):
    wide = cv2.resize(astronaut, (640, 480))
    size = content_size((640, 480), (model.width, model.height))
    assert size == (320, 240)
    content = cv2.resize(wide, size, interpolation=cv2.INTER_AREA)
    own, given = model(wide), model(wide, content)
    assert len(own) and own.size == given.size == (640, 480)
    np.testing.assert_array_equal(own.boxes, given.boxes)
    np.testing.assert_array_equal(own.masks(), given.masks())
    # And it is the content that is looked at, not the frame.
    assert not len(model(wide, np.zeros_like(content)).above(0.5))
    for wrong in (content[:, :-1], wide, content.astype(np.float32), content[..., 0]):
        with pytest.raises(ValueError, match=r"content is uint8 \[240, 320, 3\]"):
            model(wide, wrong)
