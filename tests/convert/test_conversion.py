"""Conversion end to end, on the shipped checkpoint and on a random one with three classes."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest

torch = pytest.importorskip("torch")

import edgemask  # noqa: E402
from edgemask import boxes, pictures  # noqa: E402
from edgemask.agreement import agreement  # noqa: E402
from edgemask.calibration import ranges  # noqa: E402
from edgemask.calibration.corrections import correct  # noqa: E402
from edgemask.cli import main  # noqa: E402
from edgemask.convert import export, kernels  # noqa: E402
from edgemask.convert.checkpoint import load_checkpoint  # noqa: E402
from edgemask.convert.quantise import write_qdq  # noqa: E402
from edgemask.engines.litert import LiteRtEngine  # noqa: E402
from edgemask.errors import ConversionError  # noqa: E402
from edgemask.letterbox import letterbox  # noqa: E402


def test_three_classes_run_per_class(three_classes, astronaut):
    for path in three_classes:
        model = edgemask.load(path, threads=1)
        assert (model.width, model.height) == (320, 192)
        found = model(astronaut)
        assert set(found.class_ids) == {0, 1, 2}
        assert [record["category"] for record in found.coco()] == [("cat", "dog", "owl")[i] for i in found.class_ids]
        # NMS is within a class: what overlaps has another class, or is below the threshold.
        for index in range(len(found)):
            same = [other for other in range(index) if found.class_ids[other] == found.class_ids[index]]
            assert not len(same) or boxes.iou(found.boxes[index], found.boxes[same]).max() < 0.55
        assert any((boxes.iou(box, found.boxes) > 0.9).sum() > 1 for box in found.boxes)
        classes = found.semantic()
        best = found[:1].masks()[0]
        assert (classes[best] == found.class_ids[0] + 1).all()


def test_the_mask_of_class_k_is_channel_k(three_classes, astronaut):
    model = edgemask.load(three_classes[1], threads=1)
    image, _ = letterbox(astronaut, 320, 192, 127)
    trunk = model.engines["trunk"](image[None])
    rois = model.proposals(trunk)[:5]
    logits = model.engines["mask"](model.pool(trunk, rois, "mask"))["mask_logits"]
    assert logits.shape == (5, 28, 28, 3)
    for class_id in range(3):
        grids = model.mask_grids(trunk, rois, np.full(5, class_id))
        np.testing.assert_allclose(grids, 1 / (1 + np.exp(-logits[..., class_id])), atol=1e-6)


@pytest.mark.parametrize("size", ["320x320", "320x256", "320x192"])
def test_float_bundles_at_every_input_match_torch(size, checkpoint, tmp_path, astronaut, capsys):
    out = tmp_path / "float.edgemask"
    assert main(["convert", str(checkpoint), "--float", "--input", size, "-o", str(out)]) == 0
    assert capsys.readouterr().out.count("ONNX Runtime against torch, worst difference") == 4
    model = edgemask.load(out, threads=1)
    width, height = map(int, size.split("x"))
    image, _ = letterbox(astronaut, width, height, 127)
    normalised = torch.from_numpy((image.astype(np.float32) - 127) / 128).permute(2, 0, 1)[None]
    with torch.inference_mode():
        levels, _, _ = load_checkpoint(checkpoint).network.trunk(normalised)
    for index, name in enumerate(("p3", "p4", "p5")):
        got = model.engines["trunk"](image[None])[name].transpose(0, 3, 1, 2)
        np.testing.assert_allclose(got, levels[index].numpy(), atol=1e-4 * float(levels[index].max()))


def test_a_wrong_export_fails(checkpoint):
    stage = export.export_stages(load_checkpoint(checkpoint).network, 64, 64)[2]
    tensor = next(one for one in stage.model.graph.initializer if "logits" in one.name and len(one.dims) == 1)
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) + 0.1, tensor.name))
    with pytest.raises(ConversionError, match="mask_logits is off torch"):
        export.check_stage(stage, np.random.default_rng(0).normal(size=(2, 96, 14, 14)).astype(np.float32))


def test_int8_has_one_scale_for_the_levels_raw_bytes_in_and_integer_kernels_only(converted):
    int8, exact = (edgemask.load(path, threads=1) for path in converted)
    trunk = {info.name: info for info in int8.bundle.tensors("trunk", "onnx")[1]}
    assert len({(trunk[name].scale, trunk[name].zero_point) for name in ("p3", "p4", "p5")}) == 1
    image, _ = int8.bundle.tensors("trunk", "onnx")
    assert (image.scale, image.zero_point, image.dtype, image.shape) == (1 / 128, 127, "uint8", (1, 320, 320, 3))
    for stage in ("box", "mask"):
        rois, _ = int8.bundle.tensors(stage, "onnx")
        assert (rois.scale, rois.zero_point) == (trunk["p3"].scale, trunk["p3"].zero_point)
    for stage, convolutions in (("trunk", 73), ("box", 2), ("mask", 12)):
        counts = kernels.count(int8.bundle.read(stage, "onnx"))
        assert counts["int8"]["QLinearConv"] == convolutions and not counts["float"]
        assert not {"Transpose", "QuantizeLinear", "DequantizeLinear"} & set(counts["int8"])
        assert kernels.count(exact.bundle.read(stage, "onnx"))["float"]["Conv"] == convolutions
    assert int8.bundle.manifest["calibration"]["pictures"] == 128


def test_int8_stages_are_near_float_and_the_engines_bit_equal(converted, three_classes, shared):
    """On pictures that took no part in the calibration."""
    int8, exact = converted
    engines = {engine: edgemask.load(int8, engine=engine) for engine in ("onnx", "tflite")}
    unseen = [pictures.read(path) for path in sorted((shared / "data" / "person" / "val").iterdir())[:8]]
    found = agreement(edgemask.load(exact), engines, unseen)
    for name, row in [*found.items(), *edgemask.Bundle(three_classes[0]).manifest["agreement"]["outputs"].items()]:
        assert row["steps"] == 0 and row["equal"] == 1, name
    for name, row in found.items():
        # Nearest rounding and min-max ranges reach 12.4 dB at p5.
        assert row["onnx"]["sqnr_db"] > (30 if name in ("box_scores", "box_deltas", "mask_logits") else 18), name


def test_weights_are_symmetric_per_channel_int8_and_scales_are_the_given_ones(checkpoint):
    stage = export.export_stages(load_checkpoint(checkpoint).network, 64, 64)[2]
    batch = np.random.default_rng(0).uniform(0, 3, (2, 96, 14, 14)).astype(np.float32)
    wanted = ranges.scales(ranges.min_max(stage.model, [batch]))
    fixed = correct(stage.model, wanted, [batch])
    qdq = write_qdq(fixed.model, wanted, fixed.weight_scales)
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in qdq.graph.initializer}
    weights = [name for name in stored if name.endswith("weight_quantized")]
    assert len(weights) == 12
    for name in weights:
        plain = name.removesuffix("_quantized")
        assert stored[name].dtype == np.int8 and stored[name].min() >= -127
        exact = next(one for one in fixed.model.graph.initializer if one.name == plain)
        steps = stored[plain + "_scale"].reshape(-1, *[1] * (stored[name].ndim - 1))
        np.testing.assert_allclose(stored[name] * steps, onnx.numpy_helper.to_array(exact), rtol=1e-5, atol=1e-8)
        assert stored[plain + "_scale"].shape == (len(stored[name]),) and not stored[plain + "_zero_point"].any()
    assert stored["mask_logits_scale"] == wanted["mask_logits"][0]
    assert stored["mask_logits_zero_point"] == wanted["mask_logits"][1]


@pytest.mark.calibration
def test_converting_twice_gives_the_same_bytes(three_classes, tmp_path):
    folder = three_classes[0].parent
    arguments = ["convert", str(folder / "three.safetensors"), "--calibration", str(folder / "set")]
    assert main([*arguments, "--input", "320x192", "-o", str(tmp_path / "three.edgemask")]) == 0
    for path in three_classes:
        again = tmp_path / path.name
        assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_bad_options_leave_nothing_behind(checkpoint, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = ["-o", str(tmp_path / "x.edgemask")]
    for arguments in (
        ["--calibration", str(tmp_path / "empty"), *out],
        ["--calibration", str(tmp_path / "none.json"), *out],
        ["--float", "-o", str(tmp_path / "no" / "folder" / "x.edgemask")],
        ["--float", "-o", str(tmp_path)],
        ["--float", "--input", "300x200", *out],
        ["--float", "--input", "wide", *out],
        ["--float", "--val", str(tmp_path / "none.json"), *out],
        ["--float", "--max-drop", "0.3", *out],
        ["--float", "--report", str(tmp_path / "r.html"), *out],
        out,
    ):
        assert main(["convert", str(checkpoint), *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_nothing_that_is_read_is_written_over(checkpoint, tmp_path, capsys):
    mine = tmp_path / "mine.safetensors"
    shutil.copy(checkpoint, mine)
    (tmp_path / "link").symlink_to(mine)
    for arguments in (["--float", "-o", str(mine)], ["--float", "-o", str(tmp_path / "link")],
                      ["--calibration", str(tmp_path), "--report", str(tmp_path / "r.json"), "-o", str(tmp_path / "x.edgemask")]):  # fmt: skip
        assert main(["convert", str(mine), *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert mine.read_bytes() == checkpoint.read_bytes() and len(list(tmp_path.iterdir())) == 2


def test_what_was_found_as_json(checkpoint, tmp_path, capsys):
    assert main(["convert", str(checkpoint), "--float", "--json", "-o", str(tmp_path / "x.edgemask")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["written"] == [str(tmp_path / "x.edgemask")] and found["int8"] is None
    assert set(found["float_against_torch"]) == {"trunk", "box", "mask", "dense"} and max(found["float_against_torch"].values()) < 1e-3


def test_help_needs_no_torch():
    program = "import sys; sys.modules.update(torch=None, onnx=None); from edgemask.cli import main; sys.exit(main(sys.argv[1:]))"
    for verb in ("convert", "train"):
        done = subprocess.run([sys.executable, "-c", program, verb, "--help"], capture_output=True, text=True)
        assert done.returncode == 0 and f"edgemask {verb} " in done.stdout
    done = subprocess.run([sys.executable, "-c", program, "convert", "x", "--float", "-o", "y"], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'edgemask[convert]'" in done.stderr and done.stderr.count("\n") == 1


def test_the_astronaut_is_the_same_person_in_float_and_int8(converted, astronaut):
    int8, exact = (edgemask.load(path, threads=1)(astronaut)[:1] for path in converted)
    assert boxes.iou(int8.boxes[0], exact.boxes)[0] > 0.9
    one, other = int8.masks()[0], exact.masks()[0]
    assert (one & other).sum() / (one | other).sum() > 0.93


def test_the_dense_head_is_integer_only_with_a_scale_for_each_output():
    bundle = edgemask.Bundle()
    counts = kernels.count(bundle.read("dense", "onnx"))
    assert counts["int8"]["QLinearConv"] == 20 and not counts["float"]
    taken, total, partitions = LiteRtEngine(bundle.read("dense", "tflite")).delegated()
    assert taken == total == 25 and partitions == 1
    for engine, shift in (("onnx", 0), ("tflite", -128)):
        rois, (parts, u, v) = bundle.tensors("dense", engine)
        assert (rois.scale, rois.shape) == (bundle.tensors("trunk", engine)[1][0].scale, ("N", 14, 14, 96))
        assert [one.name for one in (parts, u, v)] == ["dense_parts", "dense_u", "dense_v"]
        assert [(one.scale, one.zero_point) for one in (u, v)] == [(pytest.approx(1 / 255), shift)] * 2 and parts.scale != u.scale


def test_the_dense_head_is_near_float_and_the_engines_bit_equal(converted, astronaut):
    engines = {engine: edgemask.load(engine=engine, dense=True) for engine in ("onnx", "tflite")}
    found = agreement(edgemask.load(converted[1], dense=True), engines, [astronaut, astronaut[:, ::-1].copy()])
    assert len(found) == 17
    for name in ("dense_parts", "dense_u", "dense_v"):
        assert found[name]["steps"] == 0 and found[name]["equal"] == 1 and found[name]["onnx"]["sqnr_db"] > 15, found[name]


@pytest.mark.calibration
def test_a_whole_conversion_takes_the_dense_head_along(checkpoint, three_classes, tmp_path, capsys):
    out, pictures = tmp_path / "person.edgemask", three_classes[0].with_name("set")
    report = ["--report", str(tmp_path / "report.html")]
    assert main(["convert", str(checkpoint), "--calibration", str(pictures), *report, "-o", str(out)]) == 0
    assert "int8 dense for tflite: 25 int8" in capsys.readouterr().out
    agreed = json.loads((tmp_path / "report.json").read_text())["agreement"]
    for name in ("dense_parts", "dense_u", "dense_v"):
        assert agreed[name]["equal"] == 1 and agreed[name]["tflite"]["sqnr_db"] > 20, name
    for path in (out, tmp_path / "person-float.edgemask"):
        assert edgemask.load(path, dense=True).bundle.manifest["roi"]["dense"] == 14


def test_a_dense_head_survives_being_saved_and_runs_like_torchs(checkpoint):
    network = load_checkpoint(checkpoint).network
    rois = np.random.default_rng(0).uniform(0, 3, (3, 96, 14, 14)).astype(np.float32)
    stage = export.export_stages(network, 64, 64)[3]
    with torch.inference_mode():
        want = network.dense(torch.from_numpy(rois))
    assert export.check_stage(stage, rois) < 1e-4 and [one.shape for one in want] == [(3, 24, 28, 28)] * 3
    session = onnxruntime.InferenceSession(stage.model.SerializeToString(), providers=["CPUExecutionProvider"])
    parts, u, v = session.run(None, {"rois": rois})
    np.testing.assert_allclose(parts, want[0], atol=1e-3)
    np.testing.assert_allclose(u, want[1].clamp(0, 1), atol=1e-4)
    np.testing.assert_allclose(v, want[2].clamp(0, 1), atol=1e-4)
