import json
import subprocess
import sys

import pytest

from edgemask.bundle import Bundle

pytest.importorskip("onnxruntime")


def test_ratios_are_printed_per_stage_with_the_cpu_and_the_delegation():
    command = [sys.executable, "-m", "edgemask.benchmarks.engines", "--rounds", "6", "--threads", "1"]
    result = json.loads(subprocess.check_output([*command, "--json"]))
    assert result["delegated"] == {"trunk": [89, 89, 1], "box": [7, 7, 1], "mask": [14, 14, 1], "dense": [25, 25, 1]}
    parts = result["onnx_through_tflite"]["1"]
    assert [part.split(",")[0] for part in parts] == ["trunk", "box", "mask", "dense", "end to end"]
    assert all(0 < low <= middle <= high for middle, low, high in parts.values())
    assert "onnxruntime" in result["engines"]["onnx"] and "XNNPACK" in result["engines"]["tflite"]


def test_agreement_is_printed_for_every_output(converted, shared):
    command = [sys.executable, "-m", "edgemask.benchmarks.agreement", str(shared / "data" / "person" / "val")]
    found = json.loads(subprocess.check_output([*command, str(converted[0]), "--count", "6", "--json"]))
    assert len(found) == 17 and all(row["equal"] == 1 and row["steps"] == 0 for row in found.values())


def test_usual_operators_give_the_same_bits_and_fall_out_of_xnnpack():
    pytest.importorskip("ai_edge_litert")
    from edgemask.benchmarks.upsampling import compare

    found = compare(Bundle(), rounds=4)
    assert found["shipped"]["delegated"] == (89, 89, 1)
    assert found["upsampling"]["delegated"] == (85, 87, 3) and found["P6"]["delegated"] == (88, 89, 2)
