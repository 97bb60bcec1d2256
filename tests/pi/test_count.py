"""The counter counts what is executed, and the figures in the repository are today's."""

import json
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from edgemask.benchmarks.emulated import count
from edgemask.cli import main

pytestmark = pytest.mark.pi
# One of each class, as GNU as writes them: sdot v0.4s, v1.16b, v2.4b[3]; smlal v0.4s, v1.4h, v2.h[1];
# fmla v0.4s, v1.4s, v2.s[2]; ldr q0, [x0]; add v0.4s, v1.4s, v2.4s; ret
SDOT, SMLAL, FMLA, LDR, ADD, RET = 0x4FA2E820, 0x0F522020, 0x4F821820, 0x3DC00000, 0x4EA28420, 0xD65F03C0
CALL = """
import ctypes, mmap, os, sys
code = bytes.fromhex(sys.argv[1])
page = mmap.mmap(-1, 1 << 16, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
start = ctypes.addressof(ctypes.c_char.from_buffer(page))
call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(start)
for _ in range(3):
    os.getppid(); call(start); os.getppid()
"""


def test_instructions_are_counted_one_by_one_and_by_class(checkout, tmp_path):
    pi, spans = checkout.pi("pi5", "trixie", tmp_path), []
    for repeats in (100, 300):
        words = repeats * ([SDOT] + 2 * [SMLAL] + 3 * [FMLA] + 4 * [LDR] + [ADD]) + [RET]
        _, marks = count.counted(pi, "python", "-c", CALL, np.array(words, "<u4").tobytes().hex())
        spans.append({kind: marks[5][kind] - marks[4][kind] for kind in count.CLASSES})
    more = {kind: spans[1][kind] - spans[0][kind] for kind in count.CLASSES}
    assert more == {"all": 2200, "dot": 200, "multiply": 400, "float": 600, "memory": 800}


def test_no_part_of_a_frame_has_grown(checkout):
    command = [sys.executable, "-m", "edgemask.benchmarks.emulated", "count", "--check", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, known = json.loads(done.stdout), count.figures()
    for row, boards in found.items():
        # What only a Pi 5 can do is done there and nowhere else.
        assert [board for board in boards if boards[board]["parts"]["trunk"]["dot"]] == ["pi5"]
        for board, result in boards.items():
            for part, counts in result["parts"].items():
                before = known[row][board]["parts"][part]["all"]
                assert counts["all"] == pytest.approx(before, rel=count.GROWTH), (row, board, part)


def test_counts_do_not_depend_on_the_weights(checkout, work, checkpoint):
    """Or every new calibration would have to change the figures."""
    other = work / "other.edgemask"
    assert main(["convert", str(checkpoint), "--calibration", str(work / "pictures"), "-o", str(other)]) == 0
    for engine in ("tflite", "onnx"):
        found = count.parts(checkout.pi("pi5", "trixie", work), engine, other)
        known = count.figures()[f"person-320 int8 {engine}"]
        for part, counts in found["parts"].items():
            assert counts["all"] == pytest.approx(known["pi5"]["parts"][part]["all"], rel=count.GROWTH), (engine, part)


def toy(path, channels):
    """A convolution with so many output channels."""
    weight = np.random.default_rng(0).normal(size=(channels, 64, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])], "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64, 40, 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, channels, 40, 40])],
        [numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_stage_made_two_per_cent_dearer_is_caught(checkout, tmp_path):
    pi = checkout.pi("pi4", "trixie", tmp_path)
    before, same, dearer = (
        {"toy": {"pi4": count.parts(pi, "peer", toy(tmp_path / f"{name}.onnx", channels))}}
        for name, channels in (("before", 200), ("same", 200), ("dearer", 204))
    )
    assert count.grown(same, before) == []
    (sentence,) = count.grown(dearer, before)
    assert "network of toy on pi4" in sentence
