"""README's commands for a Pi, on Bookworm with apt's numpy 1.24. Debian's Bookworm has no libcamera for Python: no camera here."""

import json
import subprocess

import pytest

pytestmark = pytest.mark.service

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
NUMPY = "import numpy, simplejpeg; print(numpy.__version__, numpy.__file__, simplejpeg.encode_jpeg(numpy.zeros((8, 8, 3), 'u1'))[:2])"


def run(root, *command, **environment):
    # Without /proc/cpuinfo LiteRT does without XNNPACK.
    inside = ["/usr/bin/unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc", "/usr/sbin/chroot", root]
    return subprocess.run([*inside, *command], capture_output=True, text=True, env={**ENVIRONMENT, **environment})


def test_numpy_stays_apt_s_and_what_was_built_against_it_works(bookworm):
    system, environment = (run(bookworm, python, "-c", NUMPY) for python in ("/usr/bin/python3", "/opt/edgemask/bin/python"))
    assert system.returncode == environment.returncode == 0, environment.stderr
    assert environment.stdout == system.stdout == "1.24.2 /usr/lib/python3/dist-packages/numpy/__init__.py b'\\xff\\xd8'\n"


def test_the_demo_runs(bookworm):
    done = run(bookworm, "sh", "-c", "cd $(mktemp -d) && /opt/edgemask/bin/edgemask demo && test -s edgemask-demo/astronaut.overlay.jpg")
    assert done.returncode == 0, done.stderr


def test_doctor_tells_of_a_numpy_that_came_over_apt_s(bookworm):
    """simplejpeg here is a real one built against numpy 1, as Raspberry Pi OS has it; numpy 2 is laid over apt's for one call."""
    doctor = ["/opt/edgemask/bin/edgemask", "doctor", "--json"]
    sound = run(bookworm, *doctor)
    assert sound.returncode == 0 and [one["code"] for one in json.loads(sound.stdout)["findings"]] == ["EM100"], sound
    added = run(bookworm, "/opt/edgemask/bin/pip", "install", "-q", "--no-deps", "--target", "/opt/numpy2", "numpy==2.2.4")
    assert added.returncode == 0, added.stderr
    done = run(bookworm, *doctor, PYTHONPATH="/opt/numpy2")
    (found,) = (one for one in json.loads(done.stdout)["findings"] if one["code"] == "EM203")
    assert done.returncode == 1 and "pip uninstall -y numpy" in found["fix"]
