"""Every release of the engines that setup.cfg admits starts on the oldest cores, and the one below the floor does not."""

import signal
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest

import edgemask
from edgemask.benchmarks.emulated import stages
from edgemask.benchmarks.emulated.versions import BELOW_THE_FLOOR, LITERT, ONNXRUNTIME

pytestmark = pytest.mark.pi
OLDER = ("zero2w", "pi4")
TAGS = [part for tag in ("_2_17", "_2_27", "_2_28", "2014") for part in ("--platform", f"manylinux{tag}_aarch64")]
RELEASES = [
    *(("ai-edge-litert", "tflite", version) for version in LITERT),
    *(("onnxruntime", "onnx", version) for version in ONNXRUNTIME),
]


def unpacked(package, version, folder) -> str:
    """The engine's release in a folder of the board that comes before what is installed."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *TAGS]
    target = ["--python-version", "311", "--implementation", "cp", "--abi", "cp311", "-d", folder, f"{package}=={version}"]
    subprocess.run([*command, *target], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "engine")
    return "/srv/engine"


@pytest.mark.parametrize(("package", "engine", "version"), RELEASES, ids=lambda value: value)
def test_a_release_starts_and_gives_the_same_bits(checkout, astronaut, tmp_path, package, engine, version):
    place = unpacked(package, version, tmp_path)
    given = stages.inputs(edgemask.load(engine="onnx", threads=1), astronaut)
    given = {"mask": given["mask"][:1]}
    np.savez(tmp_path / "in.npz", **given)
    (want,) = stages.outputs(edgemask.load(engine=engine, threads=1), given).values()
    for board in OLDER:
        pi = checkout.pi(board, "bookworm", tmp_path)
        command = "python", "-m", "edgemask.benchmarks.emulated.stages", engine, "/srv/in.npz", "/srv/out.npz"
        pi.check(*command, PYTHONPATH=place)
        (got,) = np.load(tmp_path / "out.npz").values()
        assert np.array_equal(got, want)


@pytest.mark.parametrize("board", OLDER)
def test_the_release_below_the_floor_dies_of_an_illegal_instruction(checkout, tmp_path, board):
    place = unpacked("onnxruntime", BELOW_THE_FLOOR, tmp_path)
    for name, code in ((board, -signal.SIGILL), ("pi5", 0)):
        done = checkout.pi(name, "bookworm", tmp_path).run("python", "-c", "import onnxruntime", PYTHONPATH=place)
        assert done.returncode in (code, 128 - code), done.stderr


def test_the_tested_releases_begin_at_the_floors():
    setup = ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg")
    assert f"onnxruntime>={ONNXRUNTIME[0].rpartition('.')[0]}" in setup["options.extras_require"]["onnx"]
    assert f"ai-edge-litert>={LITERT[0].rpartition('.')[0]}" in setup["options"]["install_requires"]
