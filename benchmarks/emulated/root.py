"""Roots of arm64 Debian, the release under Raspberry Pi OS, with everything edgemask depends on there."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from edgemask.benchmarks.emulated import EmulationError
from edgemask.benchmarks.emulated.boards import BOARDS
from edgemask.benchmarks.emulated.machine import PYTHON, Pi
from edgemask.benchmarks.emulated.versions import NEWEST
from edgemask.errors import MissingLibrary

RELEASES = ("bookworm", "trixie")
CACHE = Path(os.environ.get("EDGEMASK_CACHE") or Path.home() / ".cache" / "edgemask")
CHECKOUT = Path(__file__).parents[2]
PROGRAMS = {"mmdebstrap": "mmdebstrap", "qemu-aarch64": "qemu-user", "gcc": "gcc"}
PACKAGES = ("base-files", "bash", "coreutils", "ca-certificates", "libstdc++6",
            "python3", "python3-numpy", "python3-pip", "python3-venv")  # fmt: skip


def check():
    """Raise MissingLibrary, one sentence with the install line, where no Pi can be emulated."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    if sys.platform != "linux" or os.geteuid() != 0 or missing:
        raise MissingLibrary(f"an emulated Pi needs Linux, root and apt install {' '.join(missing or PROGRAMS.values())}")
    if not (CHECKOUT / "setup.cfg").exists():
        raise MissingLibrary("an emulated Pi runs a checkout's code: git clone edgemask, pip install -e .")


class Checkout:
    """This checkout's wheel and what pip installs beside it, on emulated Pis; `folder` is for its files.

    Raises MissingLibrary or EmulationError.
    """

    def __init__(self, folder: Path):
        check()
        # From a clean copy: what an earlier build left behind in the checkout would get into the wheel.
        source = folder / "source"
        shutil.copytree(CHECKOUT, source, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "*.part"))
        _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source)
        (self.wheel,) = folder.glob("edgemask-*.whl")
        with zipfile.ZipFile(self.wheel) as archive:
            archive.extractall(folder / "unpacked")
        self.package = folder / "unpacked" / "edgemask"

    def pi(self, board: str, release: str, work: Path) -> Pi:
        """A board with a release on its card and `work` as its /srv."""
        return Pi(BOARDS[board], root(release, self.wheel), work, self.package)


def root(release: str, wheel: Path) -> Path:
    """The root of a release in which the wheel's dependencies are installed, built once for each set of them.

    Raises EmulationError.
    """
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        needs = [line for line in archive.read(metadata).splitlines() if line.startswith(b"Requires-Dist")]
    recipe = b"\n".join([release.encode(), *needs, *(pin.encode() for pin in NEWEST), Path(__file__).read_bytes()])
    path = CACHE / f"pi-{release}-{hashlib.sha256(recipe).hexdigest()[:16]}"
    if not path.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{path.name}.", ignore_cleanup_errors=True) as building:
            _debian(Path(building, "root"), release)
            _install(Path(building, "root"), wheel)
            with contextlib.suppress(FileExistsError):  # somebody else was faster
                Path(building, "root").rename(path)
    return path


def _debian(folder, release):
    mirror = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Label: Debian").split()
    if not mirror:
        raise EmulationError("apt knows no Debian mirror here: run apt-get update, on Debian")
    # Unpacked and not configured: no arm64 program has to run, and none of the packages needs more than two links.
    _run("mmdebstrap", "--quiet", "--arch=arm64", "--variant=extract", f"--include={','.join(PACKAGES)}",
         "--aptopt=Acquire::Retries \"5\"", "--aptopt=Apt::Install-Recommends \"false\"",
         '--setup-hook=mkdir -p "$1/usr/bin" "$1/usr/sbin" "$1/usr/lib" && ln -s usr/bin usr/sbin usr/lib "$1"',
         release, folder, f"deb {mirror[0]} {release} main")  # fmt: skip
    for name in ("blas", "lapack"):
        (folder / f"usr/lib/aarch64-linux-gnu/lib{name}.so.3").symlink_to(f"{name}/lib{name}.so.3")


def _install(folder, wheel):
    """As a user would on the board: pip in a venv that sees apt's numpy."""
    # pip sees what it sees outside.
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / "etc/ssl/certs")
    for path in ("/etc/pip.conf", "/etc/resolv.conf"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(path, folder / "etc")
    outside = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.lower().endswith("_proxy")}
    pi = Pi(BOARDS["pi5"], folder, wheel.parent, environment=outside)
    pi.check("/usr/bin/python3", "-m", "venv", "--system-site-packages", "--without-pip", "/opt/edgemask")
    pi.check(PYTHON, "-m", "pip", "install", "-q", *NEWEST, f"/srv/{wheel.name}[onnx,coco]")


def _run(*command) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise EmulationError(f"{command[0]} failed: {(done.stderr.strip() or done.stdout).splitlines()[-1:]}")
    return done.stdout
