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
    return MODELS / "person_v8.safetensors"


@pytest.fixture(scope="session", params=["person_v1", "person_v8"])
def golden(request):
    """Of the code that trained person_v1, and of this package's, with the dense head."""
    return np.load(MODELS / f"{request.param}.golden.npz")


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
def shipped_stages() -> list:
    """The shipped bundle's stages for both engines, as `write_bundle` takes them."""
    from edgemask.bundle import Bundle
    from edgemask.convert.bundle_writer import RuntimeStage

    bundle = Bundle()
    return [
        RuntimeStage(name, engine, bundle.read(name, engine), one["tensors"], one["kernels"])
        for name, engines in bundle.manifest["stages"].items() for engine, one in engines.items()
    ]  # fmt: skip


@pytest.fixture(scope="session")
def headless(tmp_path_factory, shipped_stages) -> Path:
    """The shipped bundle without its dense head."""
    from edgemask.bundle import Bundle
    from edgemask.convert.bundle_writer import write_bundle

    manifest, path = Bundle().manifest, tmp_path_factory.mktemp("headless") / "headless.edgemask"
    roi = {key: value for key, value in manifest["roi"].items() if key != "dense"}
    write_bundle(path, {**manifest, "roi": roi}, [one for one in shipped_stages if one.name != "dense"])
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
