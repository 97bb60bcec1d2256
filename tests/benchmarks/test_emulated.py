"""What needs no emulated Pi: the boards, the gate, README's table, and what is said where none can be emulated."""

import os
from pathlib import Path

import pytest

from edgemask.benchmarks.emulated import count
from edgemask.benchmarks.emulated.__main__ import main
from edgemask.benchmarks.emulated.boards import BOARDS
from edgemask.benchmarks.emulated.versions import LITERT, ONNXRUNTIME

README = Path(__file__).parents[2] / "README.md"


def test_boards_differ_as_their_processors_do():
    parts = {name: board.cpuinfo.count(f"CPU part\t: {board.part:#x}\n") for name, board in BOARDS.items()}
    assert parts == {"zero2w": 4, "pi4": 4, "pi5": 4} and len({board.part for board in BOARDS.values()}) == 3
    assert [name for name, board in BOARDS.items() if "asimddp" in board.features.split()] == ["pi5"]


@pytest.mark.parametrize(("growth", "sentences"), [(-0.2, 0), (0.009, 0), (0.011, 1)])
def test_a_part_that_grows_by_over_a_percent_is_named(growth, sentences):
    known = count.figures()
    before = known["person-320 int8 tflite"]["pi4"]
    box = dict(before["parts"]["box"], all=round(before["parts"]["box"]["all"] * (1 + growth)))
    found = {"person-320 int8 tflite": {"pi4": {"runs": "LiteRT 9", "parts": {**before["parts"], "box": box}}}}
    said = count.grown(found, known)
    assert len(said) == sentences
    for sentence in said:
        assert "box of person-320 int8 tflite on pi4" in sentence and "LiteRT 9" in sentence and before["runs"] in sentence
        assert f"{before['parts']['box']['all']:,}" in sentence and f"{box['all']:,}" in sentence


def test_a_board_without_a_figure_is_named():
    found = {"new": {"pi4": {"runs": "", "parts": {"trunk": {"all": 1}}}}}
    assert count.grown(found, {}) == ["trunk of new on pi4 has no figure yet"]


def test_the_figures_are_of_the_pinned_releases_and_stand_in_readme(capsys):
    for row, boards in count.figures().items():
        assert set(boards) == set(BOARDS)
        for result in boards.values():
            assert (LITERT[-1] if row.endswith("tflite") else ONNXRUNTIME[-1]) in result["runs"]
    assert main(["count", "--table"]) == 0
    assert capsys.readouterr().out in README.read_text()


def test_what_is_missing_is_said_with_the_line_that_installs_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main(["run", "--board", "pi4", "python"]) == 2
    assert "apt install mmdebstrap qemu-user gcc" in capsys.readouterr().err
