"""Picamera2 as on a Pi, with libcamera's virtual pipeline for a sensor."""

import contextlib
import json
import re
import socket
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import edgemask
from edgemask.benchmarks.mosquitto import Mosquitto

pytestmark = pytest.mark.camera

README = Path(__file__).parents[2] / "README.md"
# libcamera's virtual pipeline shows each picture four times.
REPEATED = 4


def records(text):
    return [json.loads(line) for line in text.splitlines()]


def test_real_pictures_in_masks_out(pi, scenes):
    done = pi.run("edgemask", "run", "picamera2", "--frames", "48", VIRTUAL_FPS="15", VIRTUAL_LOG="/srv/log")
    assert done.returncode == 0, done.stderr
    found = records(done.stdout)
    assert len(found) == 48 and all(record["source"] == "picamera2:0" and record["size"] == [640, 480] for record in found)
    model, sure = edgemask.load(threads=1), 0
    for number in {record["frame"] // REPEATED % len(scenes) for record in found}:
        if not len(model(scenes[number]).above(0.8)):
            continue
        seen = [record for record in found if record["frame"] // REPEATED % len(scenes) == number]
        assert all(record["detections"] for record in seen), number
        assert all(one["segmentation"]["counts"] for record in seen for one in record["detections"])
        sure += len(seen)
    assert sure > 15


def test_readme_s_commands_leave_apt_s_numpy_alone(pi):
    program = "import numpy, simplejpeg, picamera2; print(numpy.__version__, numpy.__file__)"
    system, environment = (pi.run(python, "-c", program) for python in ("/usr/bin/python3", "/opt/edgemask/bin/python"))
    assert system.returncode == environment.returncode == 0, environment.stderr
    assert environment.stdout == system.stdout and "/usr/lib/python3/dist-packages/" in environment.stdout


def test_a_thousand_frames_leak_no_request(pi):
    done = pi.run("edgemask", "run", "picamera2", "--frames", "1000", VIRTUAL_FPS="60", VIRTUAL_LOG="/srv/log")
    assert done.returncode == 0, done.stderr
    numbers = [record["frame"] for record in records(done.stdout)]
    assert "in 1000 frames" in done.stderr and sorted(set(numbers)) == numbers
    assert len(numbers) > 500  # a slow reader of standard output misses some, and is told
    ticks = [entry for entry in pi.log() if "tick" in entry]
    assert len(ticks) >= 1000
    # Every buffer still goes round at the end, and no tick at all found none to fill.
    assert {tick["buffer"] for tick in ticks[-20:]} == {0, 1, 2, 3}
    assert all(tick["buffer"] is not None for tick in ticks)


SLOW = """
import json, time, edgemask
from edgemask.cameras import open_camera
from edgemask.loop import Loop
from edgemask.sinks.sink import Sink

class Results(Sink):
    def write(self, frame, detections):
        age_ms = (time.monotonic_ns() - frame.stamp) / 1e6
        print(json.dumps({"at": time.monotonic_ns(), "frame": frame.number, "age_ms": age_ms}))

model = edgemask.load(threads=1)
trunk = model.engines["trunk"]
model.engines["trunk"] = lambda image: time.sleep(0.3) or trunk(image)
camera = open_camera("picamera2", input_size=(model.width, model.height))
Loop(camera, model, [Results()], limit=20).run()
"""


def test_when_the_model_is_slow_at_most_one_newer_frame_waits(pi):
    done = pi.run("python3", "-c", SLOW, VIRTUAL_FPS="15", VIRTUAL_LOG="/srv/log")
    assert done.returncode == 0, done.stderr
    results, log = records(done.stdout), pi.log()
    assert len(results) == 20
    filled = [entry["at"] for entry in log if "tick" in entry]  # the frame number is the place in this list
    for result, following in zip(results, results[1:], strict=False):
        newest = sum(at < result["at"] for at in filled) - 1
        assert newest - following["frame"] <= 1, (result, following, newest)
        assert following["frame"] - result["frame"] >= 3  # what came meanwhile is gone
    assert max(entry["waiting"] for entry in log if "waiting" in entry) <= 1
    print(f"age of the results, ms: {[round(result['age_ms']) for result in results]}")


FRAMES = """
import numpy
from edgemask.cameras import open_camera
for number, options in enumerate([{}, {"hflip": True}, {"rotate": 180}, {"rotate": 180, "vflip": True}]):
    with open_camera("picamera2", input_size=(320, 320), **options) as camera:
        given = camera.device.camera_configuration()
        frame = next(iter(camera))
        print(given["buffer_count"], given["raw"], given["transform"].hflip, given["transform"].vflip)
    numpy.savez(f"/srv/{number}.npz", rgb=frame.rgb, content=frame.content, number=frame.number, age_ms=frame.age_ms)
"""


def test_frames_have_the_scene_s_colours_and_the_isp_is_asked_to_turn_them(pi, scenes):
    done = pi.run("python3", "-c", FRAMES)
    assert done.returncode == 0, done.stderr
    flips = [line.split()[2:] for line in done.stdout.splitlines() if line.startswith("4 None")]
    assert flips == [["False", "False"], ["True", "False"], ["True", "True"], ["True", "False"]]
    for number in range(4):  # the virtual pipeline takes the wish and turns nothing
        frame = np.load(pi.work / f"{number}.npz")
        assert frame["number"] < REPEATED and frame["age_ms"] >= 0
        assert np.abs(frame["rgb"] - scenes[0].astype(int)).mean() < 6
        assert frame["content"].shape == (240, 320, 3)
        assert np.abs(frame["content"] - scenes[0][::2, ::2].astype(int)).mean() < 12


def test_an_input_the_isp_cannot_make_is_made_from_the_main_picture(pi):
    """The sensor has no 256×192."""
    program = "from edgemask.cameras import open_camera; print(next(iter(open_camera('picamera2', input_size=(256, 256)))).content)"
    done = pi.run("python3", "-c", program)
    assert done.returncode == 0 and done.stdout == "None\n", done.stderr


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [({"VIRTUAL_SILENT": "20"}, "gave no frame for 5 s"), ({"VIRTUAL_BROKEN": "20"}, "is gone (RuntimeError: Camera frontend")],
)
def test_a_camera_that_falls_silent_or_breaks_is_opened_again(pi, fault, sentence):
    done = pi.run("edgemask", "run", "picamera2", "--frames", "30", VIRTUAL_FPS="15", **fault)
    assert done.returncode == 0, done.stderr
    numbers = [record["frame"] for record in records(done.stdout)]
    assert len(numbers) == 30 and sorted(set(numbers)) == numbers
    assert f"picamera2:0 {sentence}" in done.stderr and "picamera2:0 gives frames again" in done.stderr


FOCUS = """
import libcamera
from edgemask.cameras.picamera2 import focus_controls
for focus in (None, "continuous", 2.5):
    print(focus_controls(libcamera.controls.AfModeEnum, {"AfMode": ()}, focus))
print(focus_controls(libcamera.controls.AfModeEnum, {}, None))
"""


def test_focus_is_continuous_where_there_is_any_or_as_asked(pi):
    lines = pi.run("python3", "-c", FOCUS).stdout.splitlines()
    assert lines[0] == lines[1] and "Continuous" in lines[0] and "LensPosition" not in lines[0]
    assert "Manual" in lines[2] and "'LensPosition': 2.5" in lines[2] and lines[3] == "{}"


def test_a_camera_in_use_is_said(pi):
    program = "from edgemask.cameras import open_camera; one = open_camera('picamera2'); open_camera('picamera2')"
    done = pi.run("python3", "-c", program)
    assert done.returncode == 1 and "SourceError: picamera2:0 cannot be opened (" in done.stderr.splitlines()[-1]
    assert "in use elsewhere" in done.stderr and "sequence did not complete.)" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["picamera2:3"], "picamera2:3 cannot be opened"), (["picamera2", "--focus", "2.5"], "this camera's focus is fixed"),
     (["picamera2", "--paced"], "paced makes no sense"), (["picamera2", "--focus", "near"], "neither continuous nor dioptres")],
)  # fmt: skip
def test_what_the_camera_cannot_do_is_one_sentence(pi, arguments, sentence):
    done = pi.run("edgemask", "run", *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert sentence in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr, done.stderr


def test_readme_s_command_shows_the_page(pi):
    (line,) = re.findall(r"^/opt/edgemask/bin/(edgemask run picamera2 --web) ", README.read_text(), re.MULTILINE)
    process = pi.start(*line.split(), "--web=127.0.0.1:0", "--jsonl=/srv/records.jsonl")  # any free port
    address = next(found[0] for text in process.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+/", text)))
    while not (pi.work / "records.jsonl").exists() or (pi.work / "records.jsonl").read_text().count("\n") < 5:
        assert process.poll() is None
        time.sleep(0.1)
    with urllib.request.urlopen(f"{address}healthz") as answer:
        assert answer.status == 200
    process.kill()


def test_readme_s_example(pi):
    (program,) = (block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if "picamera2" in block)
    assert len(program.splitlines()) <= 9
    process = pi.start("python3", "-u", "-c", program)
    lines = [process.stdout.readline() for _ in range(3)]
    process.kill()
    assert all(re.match(r"frame \d+, [\d.]+ ms old: person [01]\.\d\d at \[", line) for line in lines), lines


def test_memory_and_first_masks_are_printed(pi, scenes):
    for number in range(1, len(scenes)):  # the virtual sensor keeps what it sees decoded in the program's own memory
        (pi.work / "frames" / f"{number}.jpg").unlink()
    command = ["python3", "-m", "edgemask.benchmarks.footprint", "picamera2", "--frames", "100", "--cold", "--json"]
    with socket.create_server(("127.0.0.1", 0)) as probe:
        web = ["--web", f"127.0.0.1:{probe.getsockname()[1]}"]
    with Mosquitto() if Mosquitto.path() else contextlib.nullcontext() as broker:
        options = {"plain": [], "with the page and a viewer": web}
        options |= {"with MQTT too": [*web, "--mqtt", broker.url]} if broker else {}
        for what, more in options.items():
            done = pi.run(*command, *more)
            assert done.returncode == 0, done.stderr
            result = json.loads(done.stdout)
            print(what, result)
            assert 20 < result["own_mib"] < result["peak_rss_mib"] < 400 and result["first_masks_s"] > 0
