"""Engines: the same bits from both runtimes, and what each says of itself."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

import edgemask
from edgemask import engines
from edgemask.bundle import Bundle
from edgemask.cli import main
from edgemask.engines.litert import LiteRtEngine
from edgemask.errors import BundleError, OptionError
from edgemask.letterbox import letterbox


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"needs {package}")


both = [needs("onnxruntime"), needs("ai_edge_litert")]


def with_marks(*marks):
    def apply(test):
        for mark in marks:
            test = mark(test)
        return test

    return apply


def unsigned(values):
    return values if values.dtype == np.uint8 else values.view(np.uint8) ^ 0x80


@with_marks(*both)
def test_every_stage_gives_the_same_bits_in_both_engines(astronaut):
    onnx, tflite = (edgemask.load(engine=engine, threads=1) for engine in ("onnx", "tflite"))
    for frame in (astronaut, astronaut[:, ::-1].copy(), astronaut[100:400, :200], np.roll(astronaut, 90, axis=2)):
        image, _ = letterbox(frame, 320, 320, 127)
        trunk, other = onnx.engines["trunk"](image[None]), tflite.engines["trunk"](image[None])
        assert len(trunk) == len(other) == 11
        for name, value in trunk.items():
            np.testing.assert_array_equal(value, unsigned(other[name]), err_msg=name)
        rois = onnx.proposals(trunk)
        np.testing.assert_array_equal(rois, tflite.proposals(other))
        for stage in ("box", "mask"):
            pooled = [model.pool(levels, rois, stage) for model, levels in ((onnx, trunk), (tflite, other))]
            np.testing.assert_array_equal(pooled[0], unsigned(pooled[1]))
            result, same = onnx.engines[stage](pooled[0]), tflite.engines[stage](pooled[1])
            for name, value in result.items():
                np.testing.assert_array_equal(value, unsigned(same[name]), err_msg=name)
        assert onnx(frame).coco() == tflite(frame).coco()


@with_marks(*both)
def test_both_carry_the_same_scales(model):
    for stage in ("trunk", "box", "mask"):
        described = {}
        for engine, shift in (("onnx", 0), ("tflite", 128)):
            first, rest = model.bundle.tensors(stage, engine)
            described[engine] = {info.name: (info.scale, info.zero_point + shift, info.shape) for info in [first, *rest]}
        assert described["onnx"] == described["tflite"]


@needs("ai_edge_litert")
def test_xnnpack_takes_every_operator_in_one_partition(model, capsys):
    for stage in ("trunk", "box", "mask", "dense"):
        taken, total, partitions = LiteRtEngine(model.bundle.read(stage, "tflite")).delegated()
        assert taken == total > 5 and partitions == 1
    assert main(["inspect"]) == 0
    said = capsys.readouterr().out
    assert said.count("in 1 partition (ai-edge-litert") == 4 and "trunk.tflite, 89 of 89 nodes int8" in said
    assert main(["inspect", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)["xnnpack"]["trunk"]
    assert {**counted, "runs": ""} == {"taken": 89, "operators": 89, "partitions": 1, "runs": ""}


@needs("tflite_runtime")
def test_tflite_runtime_runs_the_model_and_says_what_it_costs(astronaut):
    model = edgemask.load(engine="tflite", threads=2)
    assert "tflite-runtime" in str(model.engines["trunk"]) and "89 of 89 operators to slow kernels" in str(model.engines["trunk"])
    assert "pip install ai-edge-litert" in str(model.engines["trunk"])
    people = model(astronaut)
    assert people.scores[0] > 0.9 and people.masks()[0][120, 220]


def test_a_head_takes_any_batch(astronaut):
    model = edgemask.load(threads=1)
    trunk = model.engines["trunk"](letterbox(astronaut, 320, 320, 127)[0][None])
    rois = model.pool(trunk, model.proposals(trunk)[:9], "box")
    whole = model.engines["box"](rois)["box_scores"]
    for start, stop in ((0, 1), (1, 9), (4, 6), (0, 9)):
        np.testing.assert_array_equal(model.engines["box"](rois[start:stop])["box_scores"], whole[start:stop])


def test_auto_prefers_litert_and_falls_back(monkeypatch):
    bundle = Bundle()
    installed = {"ai_edge_litert", "onnxruntime", "tflite_runtime"}
    monkeypatch.setattr(engines, "find_spec", lambda name: name in installed)
    assert engines.choose(bundle, "auto") == "tflite"
    installed.discard("ai_edge_litert")
    assert engines.choose(bundle, "auto") == "onnx"
    installed.discard("onnxruntime")
    assert engines.choose(bundle, "auto") == "tflite"
    assert engines.choose(bundle, "onnx") == "onnx"
    with pytest.raises(OptionError, match="openvino"):
        engines.choose(bundle, "openvino")


def test_run_says_which_engine(astronaut_path, tmp_path, capsys):
    assert main(["run", str(astronaut_path), "--jsonl", str(tmp_path / "x.jsonl"), "--engine", "tflite"]) == 0
    assert "person-320 on " in capsys.readouterr().err


def test_a_file_that_is_no_network_is_one_sentence():
    with pytest.raises(BundleError, match="does not load this network"):
        LiteRtEngine(b"TFL3 but not really" * 10)


MISSING = """
import sys
sys.modules.update(dict.fromkeys({names!r}))
from edgemask.cli import main
sys.exit(main(["run", {source!r}, "--engine", {engine!r}]))
"""


@pytest.mark.parametrize(
    "engine, names, line",
    [
        ("tflite", ("ai_edge_litert", "tflite_runtime"), "pip install ai-edge-litert"),
        ("onnx", ("onnxruntime",), "pip install 'edgemask[onnx]'"),
    ],
)
def test_a_missing_runtime_says_how_to_get_it(engine, names, line, astronaut_path):
    program = MISSING.format(names=names, source=str(astronaut_path), engine=engine)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2 and line in done.stderr and done.stderr.count("\n") == 1
