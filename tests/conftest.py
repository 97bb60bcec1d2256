"""What several suites need: real pictures, the shipped model and its float reference."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from edgemask.cli import ENVIRONMENT

for name, value in ENVIRONMENT.items():  # as the command does, before numpy is imported: its threads would spin
    os.environ.setdefault(name, value)

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

import edgemask  # noqa: E402
from edgemask import pictures  # noqa: E402
from edgemask.bundle import SHIPPED  # noqa: E402
from edgemask.letterbox import letterbox  # noqa: E402

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "convert" / "models"
SENSOR = """
Virtual0:
  supported_formats: [{width: 640, height: 480}, {width: 320, height: 240}]
  frames: {path: /srv/frames/}
  location: CameraLocationFront
  model: Virtual Pi camera
"""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real pictures and clips, which only the project's own machines have."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        assert not os.environ.get("CI"), "CI must have the folder ../shared with pictures and clips"
        pytest.skip("needs ../shared, the project's folder of test pictures and clips")
    return folder


@pytest.fixture(scope="session")
def checkpoint() -> Path:
    return MODELS / "person_v1.safetensors"


@pytest.fixture(scope="session")
def golden():
    return np.load(MODELS / "person_v1.golden.npz")


@pytest.fixture(scope="session")
def astronaut_path() -> Path:
    return SHIPPED.parent / "astronaut.jpg"


@pytest.fixture(scope="session")
def astronaut(astronaut_path) -> np.ndarray:
    return pictures.read(astronaut_path)


@pytest.fixture
def model() -> edgemask.Model:
    """The shipped model; a test may put other engines in."""
    return edgemask.load(threads=1)


@pytest.fixture
def picamera2(tmp_path_factory, monkeypatch):
    """A Python that finds Picamera2 and libcamera; neither can do anything."""
    folder = tmp_path_factory.mktemp("libraries")
    for name in ("libcamera", "picamera2"):
        (folder / f"{name}.py").touch()
    monkeypatch.syspath_prepend(folder)


@pytest.fixture(scope="session")
def converted(tmp_path_factory, checkpoint):
    """(A copy of the shipped bundle, its float reference made from the checkpoint beside it)."""
    from edgemask.cli import main

    folder = tmp_path_factory.mktemp("converted")
    int8, exact = folder / "person.edgemask", folder / "person-float.edgemask"
    shutil.copy(SHIPPED, int8)
    assert main(["convert", str(checkpoint), "--float", "-o", str(exact)]) == 0
    return int8, exact


@pytest.fixture(scope="session")
def give_dense_head(astronaut):
    """`give_dense_head(network)` puts in one that has learned nothing, but whose parts, U and V vary over a box as a
    trained one's do."""
    import torch
    from torch import nn

    from edgemask.convert.network import DenseHead

    def give(network):
        torch.manual_seed(0)
        network.dense = head = DenseHead()
        for module in head.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # the mean of all batches
        image = torch.from_numpy(letterbox(astronaut, 320, 320, 127)[0].transpose(2, 0, 1)[None])
        with torch.no_grad():
            (p3, *_), _, _ = network.eval().trunk((image.float() - 127) / 128)
            windows = torch.cat([p3[:, :, y : y + 14, x : x + 14] for y in range(0, 27, 6) for x in range(0, 27, 6)])
            head.train()(windows)
            _, u, v = head.eval()(windows)
        for layer, values in ((head.u, u), (head.v, v)):  # most within [0, 1]
            layer.weight.data *= 0.25 / values.std()
            layer.bias.data += 0.5 - values.mean() * 0.25 / values.std()

    return give


@pytest.fixture(scope="session")
def dense_checkpoint(tmp_path_factory, checkpoint, give_dense_head):
    """The shipped checkpoint with such a head."""
    from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint

    loaded, path = load_checkpoint(checkpoint), tmp_path_factory.mktemp("dense") / "person.safetensors"
    give_dense_head(loaded.network)
    save_checkpoint(loaded.network, loaded.classes, path, loaded.licence)
    return path


@pytest.fixture(scope="session")
def dense_bundle(dense_checkpoint, astronaut):
    """The shipped bundle with that head in int8: the head alone is converted here, without corrections."""
    from edgemask.calibration.calibrate import Technique, observe
    from edgemask.calibration.stage_inputs import nchw
    from edgemask.convert.bundle_writer import RuntimeStage, write_bundle
    from edgemask.convert.checkpoint import load_checkpoint
    from edgemask.convert.export import export_stages
    from edgemask.convert.quantise import UV_SCALES, write_qdq
    from edgemask.convert.stages import int8_stages

    shipped = edgemask.load(engine="onnx", threads=1)
    trunk = shipped.engines["trunk"](letterbox(astronaut, shipped.width, shipped.height, shipped.pad)[0][None])
    rois, levels = shipped.pool(trunk, shipped.proposals(trunk)[:8], 14), shipped.tensors["p3"]
    batches = [nchw(levels.dequantise(rois))]
    stage = export_stages(load_checkpoint(dense_checkpoint).network, 320, 320)[3]
    fixed = {"rois": (np.float32(levels.scale), levels.zero_point), **UV_SCALES}
    found = observe(stage.model, batches, batches).calibrate(Technique(False, False, False), fixed)
    stages = int8_stages("dense", write_qdq(found.model, found.scales, found.weight_scales), found.scales)
    manifest, read = shipped.bundle.manifest, shipped.bundle.read
    for name, engines in manifest["stages"].items():
        stages += [RuntimeStage(name, engine, read(name, engine), one["tensors"], one["kernels"]) for engine, one in engines.items()]
    path = dense_checkpoint.with_name("person-dense.edgemask")
    write_bundle(path, {**manifest, "roi": {**manifest["roi"], "dense": 14}}, stages)
    return path


@pytest.fixture(scope="session")
def install_in(tmp_path_factory):
    """`install_in(root)` runs README's commands for a Pi in a Debian root, which brings what apt brings on a Pi."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = (block for block in blocks if "--system-site-packages" in block)
    commands = "".join(line for line in block.splitlines(True) if "apt install" not in line and "edgemask run" not in line)
    source = tmp_path_factory.mktemp("source") / "edgemask"
    # A copy: setuptools puts into a wheel whatever an earlier build left behind in the checkout.
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", "build", "*.egg-info", "*.part"))

    def install(root: Path):
        clone = root / "opt" / "clone"
        for old in (clone, root / "opt" / "edgemask"):
            shutil.rmtree(old, ignore_errors=True)
        shutil.copytree(source, clone)
        script = f'set -e\nsudo() {{ "$@"; }}\ncd /opt/clone\n{commands}'
        subprocess.run(["chroot", root, "bash", "-c", script], check=True, env={"PATH": "/usr/sbin:/usr/bin", "HOME": "/root"})

    return install


@pytest.fixture(scope="session")
def scenes(shared):
    """Sixteen real pictures with people who fill a good part of them, uint8 [480, 640, 3] RGB, as the sensor sees them."""
    truth = json.loads((shared / "data" / "person" / "val.json").read_text())
    names = {picture["id"]: picture["file_name"] for picture in truth["images"]}
    large = {one["image_id"] for one in truth["annotations"] if one["area"] > 30_000 and not one.get("iscrowd")}
    folder = shared / "data" / "person" / "val"
    return [cv2.resize(pictures.read(folder / names[number]), (640, 480)) for number in sorted(large)[:16]]


@pytest.fixture(scope="session")
def virtual_camera(scenes):
    """`virtual_camera(folder)` puts there what makes libcamera's virtual sensor see the scenes, once it is bound to /srv."""

    def prepare(folder: Path):
        shutil.copytree(ROOT / "tests" / "camera" / "virtual", folder / "virtual", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "virtual.yaml").write_text(SENSOR)
        (folder / "frames").mkdir()
        for number, rgb in enumerate(scenes):
            # The virtual pipeline hands JPEG's full-range YUV on as it is, where an ISP gives 16 to 235.
            limited = cv2.cvtColor(cv2.convertScaleAbs(rgb, alpha=219 / 255, beta=16), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / "frames" / f"{number}.jpg"), limited)

    return prepare
