"""What a Pi is sent is decided by the Pi's Python, not by this one."""

import subprocess
import sys
import zipfile

import pytest

from edgemask.errors import OptionError
from edgemask.flash.wheelhouse import own_wheel, requirements

METADATA = """\
Metadata-Version: 2.1
Name: edgemask
Version: 9
Requires-Dist: numpy>=1.24
Requires-Dist: opencv<4.12; python_version < "3.12"
Requires-Dist: opencv>=4.10; python_version >= "3.12"
Requires-Dist: pywin32; sys_platform == "win32"
Requires-Dist: websockets>=15; extra == "web"
Requires-Dist: torch; extra == "convert"
"""


@pytest.mark.parametrize(("python", "opencv"), [("3.11", "opencv<4.12"), ("3.13", "opencv>=4.10")])
def test_requirements_are_those_of_the_pi(tmp_path, python, opencv):
    wheel = tmp_path / "edgemask-9-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("edgemask-9.dist-info/METADATA", METADATA)
    assert requirements(wheel, python) == ["numpy>=1.24", opencv, "websockets>=15"]


def test_what_is_no_wheel_is_refused(tmp_path):
    (tmp_path / "a.whl").write_text("no")
    with pytest.raises(OptionError, match="a.whl is not a wheel"):
        requirements(tmp_path / "a.whl", "3.13")


def test_an_installed_package_is_packed_into_a_wheel_that_pip_takes(tmp_path, monkeypatch):
    """A small distribution in edgemask's place: installed from a wheel, packed again, installed again."""
    first, again = tmp_path / "edgemask-9-py3-none-any.whl", tmp_path / "again"
    with zipfile.ZipFile(first, "w") as archive:
        archive.writestr("edgemask_it/__init__.py", "word = 'here'\n")
        archive.writestr("edgemask-9.dist-info/METADATA", METADATA)
        archive.writestr("edgemask-9.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("edgemask-9.dist-info/RECORD", "".join(f"{name},,\n" for name in archive.namelist()))
    install(first, tmp_path / "one")
    again.mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path / "one"), *sys.path])
    packed = own_wheel(again)
    install(packed, tmp_path / "two")
    assert (tmp_path / "two/edgemask_it/__init__.py").read_text() == "word = 'here'\n"
    assert {path.name for path in (tmp_path / "two").iterdir()} >= {"edgemask_it", "edgemask-9.dist-info"}


def install(wheel, folder):
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", folder, wheel]
    subprocess.run(list(map(str, command)), check=True)
