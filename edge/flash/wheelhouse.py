"""The packages that the card brings along, so that a Pi needs no internet for them."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from edgemask.errors import MissingLibrary, OptionError, OutputError

EXTRAS = ("web", "mqtt")
NEWEST_GLIBC = {"bookworm": 36, "trixie": 41}  # 2.36, 2.41


def fill(folder: Path, wheel: Path | None, python: str, release: str):
    """Put edgemask's wheel (None: of the very edgemask that runs) and all it needs on a Pi into a folder.

    python: the Pi's, such as "3.13"; release: its Debian. Raises OptionError, MissingLibrary, OutputError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if wheel is None:
        wheel = own_wheel(folder)
    else:
        (folder / wheel.name).write_bytes(_read(wheel))
    glibc = NEWEST_GLIBC.get(release)
    if glibc is None:
        raise OptionError(f"{release} is not a release that edgemask knows packages for: there are {', '.join(NEWEST_GLIBC)}")
    print(f"asking pip for packages for Python {python} on a Pi", file=sys.stderr)
    # pip takes each platform by its name alone, where on the machine itself it would take all older ones too.
    tags = ["manylinux2014_aarch64", *(f"manylinux_2_{minor}_aarch64" for minor in range(glibc, 16, -1))]
    abis = [f"cp{python.replace('.', '')}", "abi3", "none"]
    _pip("download", "--only-binary=:all:", "--implementation=cp", f"--python-version={python}",
         *(f"--platform={tag}" for tag in tags), *(f"--abi={abi}" for abi in abis), f"--dest={folder}",
         "pip", *requirements(wheel, python))  # fmt: skip


def requirements(wheel: Path, python: str) -> list[str]:
    """What a wheel asks for on a Pi with this Python: pip itself would ask what this machine's Python needs."""
    try:
        from packaging.requirements import Requirement
    except ImportError as error:
        raise MissingLibrary("flash needs packaging: pip install 'edgemask[flash]'") from error
    try:
        with zipfile.ZipFile(wheel) as archive:
            (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            lines = archive.read(metadata).decode().splitlines()
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise OptionError(f"{wheel} is not a wheel: {error}") from error
    needs = [Requirement(line.partition(":")[2]) for line in lines if line.startswith("Requires-Dist:")]
    pi = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux",
          "platform_system": "Linux", "platform_machine": "aarch64", "os_name": "posix"}  # fmt: skip
    wanted = [need for need in needs if not need.marker or any(need.marker.evaluate(pi | {"extra": extra}) for extra in EXTRAS)]
    return [f"{need.name}{need.specifier}" for need in wanted]


def own_wheel(folder: Path) -> Path:
    """The running edgemask as a wheel in a folder: packed again from what pip installed, or built from its checkout."""
    found = importlib.metadata.distribution("edgemask")
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        checkout = url2pathname(urlsplit(origin["url"]).path)
        with tempfile.TemporaryDirectory() as clean:  # what an earlier build left there would get into it
            left_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
            shutil.copytree(checkout, Path(clean, "source"), ignore=left_out)
            _pip("wheel", "--no-deps", f"--wheel-dir={folder}", str(Path(clean, "source")))
        return next(folder.glob("edgemask-*.whl"))
    wheel = folder / f"edgemask-{found.version}-py3-none-any.whl"
    left_out = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        names = [path for path in found.files if ".." not in path.parts and path.suffix != ".pyc" and path.name not in left_out]
        for path in names:
            archive.write(path.locate(), path.as_posix())
        # Hashes are optional in a wheel's RECORD, and this one is made where it is trusted.
        record = next(path for path in found.files if path.name == "RECORD").as_posix()
        archive.writestr(record, "".join(f"{path.as_posix()},,\n" for path in names) + f"{record},,\n")
    return wheel


def _pip(*arguments):
    done = subprocess.run([sys.executable, "-m", "pip", *arguments, "--quiet"], capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing said"])[-1]
        raise OutputError(f"pip {arguments[0]} brought no packages for the card: {last}")


def _read(path):
    try:
        return path.read_bytes()
    except OSError as error:
        raise OptionError(f"{path} cannot be read: {error.strerror}") from error
