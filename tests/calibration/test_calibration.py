import json

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx")

from edgemask.calibration import ranges  # noqa: E402
from edgemask.calibration.pictures import choose  # noqa: E402
from edgemask.calibration.stage_inputs import stage_inputs  # noqa: E402
from edgemask.cameras import open_camera  # noqa: E402
from edgemask.errors import DatasetError, SourceError  # noqa: E402
from edgemask.verbs.demo import pan_and_zoom  # noqa: E402


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


def scenes(count, seed=0):
    """Pictures that have nothing in common."""
    random = np.random.default_rng(seed)
    return [cv2.resize(random.integers(0, 256, (6, 8, 3), np.uint8), (160, 120)) for _ in range(count)]


def write(folder, pictures):
    folder.mkdir()
    for index, rgb in enumerate(pictures):
        cv2.imwrite(str(folder / f"{index:02}.png"), rgb[..., ::-1])


def test_pictures_are_spread_over_a_folder_or_a_coco_json(tmp_path):
    write(tmp_path / "set", scenes(10))
    (tmp_path / "set" / "notes.txt").touch()
    assert sorted(path.stem for path in choose(tmp_path / "set", 3).items) == ["00", "03", "06"]
    everything = choose(tmp_path / "set", 99)
    assert len(everything) == 10 and "10 of 10 pictures: 0 near-duplicates" in everything.note
    images = [{"file_name": f"{index:02}.png"} for index in (3, 1)]
    (tmp_path / "set.json").write_text(json.dumps({"images": images}))
    assert {path.stem for path in choose(tmp_path / "set.json", 9).items} == {"01", "03"}
    used, apart = everything.split(3)
    assert len(used) + len(apart) == 10 and not set(used.items) & set(apart.items)
    assert all(rgb.shape == (120, 160, 3) for rgb in used)


def test_near_duplicates_and_unreadable_pictures_are_left_out_and_said(tmp_path):
    different = scenes(4)
    random = np.random.default_rng(1)
    noisy = [np.clip(rgb.astype(int) + random.integers(-4, 5, rgb.shape), 0, 255).astype(np.uint8) for rgb in different]
    write(tmp_path / "set", [*different, *noisy, cv2.resize(different[0], (320, 240))])
    (tmp_path / "set" / "broken.jpg").write_text("no picture")
    found = choose(tmp_path / "set", 99)
    assert len(found) == 4
    assert "4 of 10 pictures: 5 near-duplicates and 1 unreadable ones left out" in found.note


def test_a_video_is_a_calibration_set(tmp_path, astronaut):
    clip = tmp_path / "clip.mp4"
    pan_and_zoom(astronaut, clip)
    found = choose(clip, 8)
    assert 3 <= len(found) <= 8 and found.name == "clip.mp4"
    frames = {frame.number: frame.rgb for frame in open_camera(str(clip))}
    for path, rgb in zip(found.items, found, strict=True):  # on disk, however long the video is
        assert np.array_equal(rgb, frames[int(path.stem.removeprefix("frame-"))])
    assert all(rgb.shape == (360, 480, 3) and rgb.dtype == np.uint8 for rgb in found)
    folder = found.items[0].parent
    del found
    assert not folder.exists()


def test_a_set_without_pictures_is_one_sentence(tmp_path):
    (tmp_path / "set.json").write_text('{"images": []}')
    (tmp_path / "none").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.jpg").touch()
    for source in ("set.json", "none", "broken", "missing.mp4"):
        with pytest.raises((DatasetError, SourceError), match=source):
            choose(tmp_path / source, 9)


def test_heads_are_calibrated_on_the_rois_of_the_float_pipeline(converted, astronaut):
    import edgemask

    model = edgemask.load(converted[1], threads=1)
    people = model(astronaut)
    (image,) = stage_inputs(model, "trunk", [astronaut])
    assert image.shape == (1, 3, 320, 320) and image.min() >= -127 / 128 and image.max() <= 1
    proposals, again = stage_inputs(model, "box", [astronaut])
    (detections,) = stage_inputs(model, "mask", [astronaut])
    assert proposals.shape[1:] == again.shape[1:] == (96, 7, 7) and len(proposals) > len(again) >= len(detections)
    assert detections.shape == (len(people), 96, 14, 14)
    again = model(astronaut)
    np.testing.assert_array_equal(again.boxes, people.boxes)  # the recording left the model as it was
