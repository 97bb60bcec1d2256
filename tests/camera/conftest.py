"""A Pi camera without a Pi: the real Picamera2 and libcamera, real pictures, virtual hardware."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENVIRONMENT = {"PATH": "/opt/edgemask/bin:/usr/sbin:/usr/bin", "PYTHONPATH": "/srv/virtual", "LC_ALL": "C.UTF-8", "HOME": "/srv"}


class Pi:
    """A folder `work` that is /srv in the root where commands run."""

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
        script = f'mount --bind {self.work} {self.root}/srv && exec chroot {self.root} "$@"'
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


@pytest.fixture
def pi(root, virtual_camera, tmp_path) -> Pi:
    """The root with a camera that sees the scenes."""
    virtual_camera(tmp_path)
    return Pi(root, tmp_path)
