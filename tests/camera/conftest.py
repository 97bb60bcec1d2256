"""A Pi camera without a Pi: the real Picamera2 and libcamera, real pictures, virtual hardware."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from edgemask import pictures

HERE = Path(__file__).parent
SENSOR = """
Virtual0:
  supported_formats: [{width: 640, height: 480}, {width: 320, height: 240}]
  frames: {path: /work/frames/}
  location: CameraLocationFront
  model: Virtual Pi camera
"""
ENVIRONMENT = {"PATH": "/opt/edgemask/bin:/usr/sbin:/usr/bin", "PYTHONPATH": "/work/virtual", "LC_ALL": "C.UTF-8", "HOME": "/work"}


class Pi:
    """A folder `work` that is /work in the root where commands run."""

    def __init__(self, root, work):
        self.root, self.work = root, work

    def start(self, *command, **environment) -> subprocess.Popen:
        """A command in the root, ended with this process."""
        return subprocess.Popen(self._command(command), env={**ENVIRONMENT, **environment}, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)  # fmt: skip

    def run(self, *command, **environment) -> subprocess.CompletedProcess:
        """A command in the root, to its end."""
        process = self.start(*command, **environment)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def _command(self, command):
        script = f'mount --bind {self.work} {self.root}/work && exec chroot {self.root} "$@"'
        return ["/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc",
                "/bin/sh", "-c", script, "sh", *command]  # fmt: skip

    def log(self, name="log"):
        """What the virtual hardware wrote down."""
        return [json.loads(line) for line in (self.work / name).read_text().splitlines()]


@pytest.fixture(scope="session")
def root(install_in) -> Path:
    """The root with this checkout installed as README says."""
    able = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mmdebstrap") and shutil.which("unshare")
    if not able:
        assert not os.environ.get("CI"), "CI must be root and have mmdebstrap"
        pytest.skip("the virtual Pi camera needs root and apt install mmdebstrap")
    folder = Path(subprocess.check_output([HERE / "root.sh"], text=True).strip())
    install_in(folder)
    return folder


@pytest.fixture(scope="session")
def scenes(shared):
    """Sixteen real pictures with people who fill a good part of them, uint8 [480, 640, 3] RGB, as the sensor sees them."""
    truth = json.loads((shared / "data" / "person" / "val.json").read_text())
    names = {picture["id"]: picture["file_name"] for picture in truth["images"]}
    large = {one["image_id"] for one in truth["annotations"] if one["area"] > 30_000 and not one.get("iscrowd")}
    folder = shared / "data" / "person" / "val"
    return [cv2.resize(pictures.read(folder / names[number]), (640, 480)) for number in sorted(large)[:16]]


@pytest.fixture
def pi(root, scenes, tmp_path) -> Pi:
    """The root with a camera that sees the scenes."""
    shutil.copytree(HERE / "virtual", tmp_path / "virtual", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "virtual.yaml").write_text(SENSOR)
    (tmp_path / "frames").mkdir()
    for number, rgb in enumerate(scenes):
        # The virtual pipeline hands JPEG's full-range YUV on as it is, where an ISP gives 16 to 235.
        limited = cv2.cvtColor(cv2.convertScaleAbs(rgb, alpha=219 / 255, beta=16), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.jpg"), limited)
    return Pi(root, tmp_path)
