import json

import numpy as np
import pytest

pytest.importorskip("onnx")

from edgemask.calibration import ranges  # noqa: E402
from edgemask.calibration.pictures import choose  # noqa: E402
from edgemask.calibration.stage_inputs import stage_inputs  # noqa: E402
from edgemask.errors import DatasetError, SourceError  # noqa: E402


def test_ranges_are_the_smallest_and_largest_over_all_batches():
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Relu", ["y"], ["z"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 2])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    batches = [np.array([[1, -5]], np.float32), np.array([[2, 0], [-7, 3]], np.float32)]
    found = ranges.min_max(model, batches)
    assert found == {"x": (-7, 3), "y": (-3, 7), "z": (0, 7)}


def test_scales_hold_zero_exactly_and_the_range_within_half_a_step():
    found = ranges.scales({"a": (-1.0, 3.0), "b": (0.5, 2.0), "c": (-4.0, -1.0), "d": (0.0, 0.0)})
    assert found["b"][1] == 0 and found["c"][1] == 255 and found["d"][0] > 0
    for name, (low, high) in {"a": (-1, 3), "b": (0, 2), "c": (-4, 0)}.items():
        scale, zero = found[name]
        assert abs(-zero * scale - low) <= scale / 2 and abs((255 - zero) * scale - high) <= scale / 2


def test_tied_tensors_share_the_widest_range():
    found = ranges.scales({"a": (-1.0, 3.0), "b": (0.0, 9.0), "c": (0.0, 1.0)}, tied=[("a", "b")])
    assert found["a"] == found["b"] == ranges.scales({"x": (-1.0, 9.0)})["x"] and found["c"] != found["a"]


def test_pictures_are_spread_over_a_folder_or_a_coco_json(tmp_path):
    (tmp_path / "set").mkdir()
    for index in range(10):
        (tmp_path / "set" / f"{index}.jpg").touch()
    (tmp_path / "set" / "notes.txt").touch()
    assert [path.stem for path in choose(tmp_path / "set", 5)] == ["0", "2", "4", "6", "8"]
    assert len(choose(tmp_path / "set", 99)) == 10
    images = [{"file_name": f"{index}.jpg"} for index in (3, 1)]
    (tmp_path / "set.json").write_text(json.dumps({"images": images}))
    assert choose(tmp_path / "set.json", 9) == [tmp_path / "set" / "3.jpg", tmp_path / "set" / "1.jpg"]
    (tmp_path / "set.json").write_text('{"images": []}')
    with pytest.raises(DatasetError, match="no pictures"):
        choose(tmp_path / "set.json", 9)
    with pytest.raises(SourceError):
        (tmp_path / "none").mkdir()
        choose(tmp_path / "none", 9)


def test_heads_are_calibrated_on_the_rois_of_the_float_pipeline(converted, astronaut):
    import edgemask

    model = edgemask.load(converted[1], threads=1)
    people = model(astronaut)
    (image,) = stage_inputs(model, "trunk", [astronaut])
    assert image.shape == (1, 3, 320, 320) and image.min() >= -127 / 128 and image.max() <= 1
    (proposals,) = stage_inputs(model, "box", [astronaut])
    (detections,) = stage_inputs(model, "mask", [astronaut])
    assert proposals.shape[1:] == (96, 7, 7) and len(proposals) > len(detections)
    assert detections.shape == (len(people), 96, 14, 14)
    again = model(astronaut)
    np.testing.assert_array_equal(again.boxes, people.boxes)  # the recording left the model as it was
