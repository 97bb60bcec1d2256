"""Debian with edgemask in it, booted under its own systemd: Bookworm with a clip, Trixie with the virtual Pi camera."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


class Machine:
    """A root booted by systemd-nspawn, which forgets what is written in it; the folder `work` is its /srv."""

    def __init__(self, root, work, source):
        self.log, self.source = work / "console", source
        command = ["systemd-nspawn", "--boot", "--register=no", "--keep-unit", "--volatile=overlay", "--private-network",
                   f"--directory={root}", f"--bind={work}:/srv", "--machine=edgemask-test", "--console=pipe"]  # fmt: skip
        with self.log.open("wb") as console:
            self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.wait(lambda: self._leader() and self("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"))

    def __call__(self, *command) -> subprocess.CompletedProcess:
        """A command in the machine, as root."""
        enter = ["nsenter", f"--target={self._leader()}", "--mount", "--uts", "--ipc", "--pid", "--net", "--cgroup", "--root", "--wd"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, timeout=120)

    def show(self, name):
        """A property of the service."""
        return self("systemctl", "show", "edgemask", f"--property={name}", "--value").stdout.strip()

    def wait(self, condition, seconds=120):
        """Until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end and self.nspawn.poll() is None, self.log.read_text(errors="replace")[-3000:]
            time.sleep(0.2)

    def _leader(self):
        return Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().strip()

    def close(self):
        self.nspawn.send_signal(signal.SIGTERM)
        try:
            self.nspawn.wait(30)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()


@pytest.fixture(scope="session")
def make_root(install_in):
    """`make_root(script)` is the root that a script builds, with this checkout installed as README says."""
    needed = ("mmdebstrap", "systemd-nspawn", "nsenter")
    if sys.platform != "linux" or os.geteuid() or not all(map(shutil.which, needed)):
        assert not os.environ.get("CI"), "CI must be root and have mmdebstrap and systemd-nspawn"
        pytest.skip("the service under systemd needs root and apt install mmdebstrap systemd-container")

    def make(script):
        folder = Path(subprocess.check_output([TESTS / script], text=True).strip())
        install_in(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def bookworm(make_root) -> Path:
    return make_root("service/root.sh")


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def machine(request, make_root, tmp_path_factory):
    """A booted machine; its `source` is a clip on Bookworm, on Trixie the virtual Pi camera."""
    work = tmp_path_factory.mktemp("machine")
    work.chmod(0o755)
    if request.param == "bookworm":
        root, source = request.getfixturevalue("bookworm"), "/srv/clip.mp4"
        shutil.copy(request.getfixturevalue("shared") / "media" / "one-by-one-person-detection.mp4", work / "clip.mp4")
    else:
        root, source = make_root("camera/root.sh"), "picamera2"
        request.getfixturevalue("virtual_camera")(work)
    booted = Machine(root, work, source)
    yield booted
    booted.close()
