"""What systemd is told, and the unit it is given; tests/service starts one for real."""

import json
import os
import shutil
import socket
import subprocess
import threading

import pytest

from edgemask.cameras import FakeCamera
from edgemask.cli import main
from edgemask.loop import Loop
from edgemask.sinks.systemd import Systemd
from edgemask.verbs.demo import pan_and_zoom


class Listener:
    """systemd's end of the notification socket."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0.5)

    def __iter__(self):
        """What has been said so far, and in the next half second."""
        try:
            while True:
                yield self.socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return


@pytest.fixture
def systemd(tmp_path):
    listener = Listener(str(tmp_path / "notify"))
    listener.address = str(tmp_path / "notify")
    yield listener
    listener.socket.close()


def test_ready_with_the_first_frame_then_one_word_a_frame_and_stopping(systemd, model):
    Loop(FakeCamera(fps=20, frames=12), model, [Systemd(systemd.address, "4")]).run()
    *frames, last = systemd
    assert all(said[:2] == ["READY=1", "WATCHDOG=1"] for said in frames) and last == ["STOPPING=1"]
    numbers = [int(said[2].removeprefix("STATUS=frame ").partition(",")[0]) for said in frames]
    assert numbers and numbers == sorted(set(numbers)) and frames[0][2].endswith("in sight")


def test_a_loop_that_hangs_says_nothing(systemd, model):
    go = threading.Semaphore(3)

    def hanging(rgb, content=None):
        go.acquire()
        return model(rgb, content)

    loop = Loop(FakeCamera(fps=20), hanging, [Systemd(systemd.address, "4")])
    thread = threading.Thread(target=loop.run)
    thread.start()
    said = []
    while len(said) < 3:
        assert thread.is_alive()
        said += systemd
    assert len(said) == 3 and list(systemd) == []
    loop.stop()
    go.release(100)
    thread.join()
    assert list(systemd)[-1] == ["STOPPING=1"]


def test_four_words_in_systemd_s_patience_and_one_without_a_watchdog(systemd, model):
    for patience in ("3600000000", None):
        Loop(FakeCamera(fps=50, frames=10), model, [Systemd(systemd.address, patience)]).run()
        ready, stopping = systemd
        assert ready[0] == "READY=1" and stopping == ["STOPPING=1"]


def test_an_abstract_address(model):
    name = f"edgemask-test-{os.getpid()}"
    listener = Listener(f"\0{name}")
    Loop(FakeCamera(frames=3, fps=20), model, [Systemd(f"@{name}")]).run()
    assert next(iter(listener))[0] == "READY=1"
    listener.socket.close()


def test_run_tells_whoever_started_it_and_results_are_the_same(systemd, monkeypatch, astronaut_path, capsys):
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.address)
    assert main(["run", str(astronaut_path)]) == 0
    ready, stopping = systemd
    assert ready[0] == "READY=1" and stopping == ["STOPPING=1"]
    assert json.loads(capsys.readouterr().out)["detections"]


@pytest.fixture
def config(tmp_path, picamera2):
    def write(source):
        path = tmp_path / "live.toml"
        path.write_text(f'source = "{source}"\n')
        return str(path)

    return write


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("picamera2", "ExecStartPre=-/usr/bin/udevadm wait --timeout=60 /dev/video0"),
        ("picamera2:1", "ExecStartPre=-/usr/bin/udevadm wait --timeout=60 /dev/video0"),
        ("2", "ExecStartPre=-/usr/bin/udevadm wait --timeout=60 /dev/video2"),
        ("/dev/v4l/by-id/cam", "ExecStartPre=-/usr/bin/udevadm wait --timeout=60 /dev/v4l/by-id/cam"),
        ("rtsp://camera/1", "After=network-online.target"),
        ("CLIP", None),
    ],
)
def test_the_unit_waits_for_its_source(config, capsys, tmp_path, astronaut, source, line):
    if source == "CLIP":
        source = f"{tmp_path}/clip.mp4"
        pan_and_zoom(astronaut, source)
    assert main(["service", "install", "--print", "--config", config(source)]) == 0
    lines = capsys.readouterr().out.splitlines()
    waits = [one for one in lines if one.startswith(("ExecStartPre=", "After="))]
    assert waits == ([line] if line else [])
    assert f"LoadCredential=edgemask.toml:{config(source)}" in lines and "User=edgemask" in lines


@pytest.mark.parametrize(("fps", "line"), [("", "WatchdogSec=60"), ("fps = 5", "WatchdogSec=60"), ("fps = 0.01", "WatchdogSec=300")])
def test_systemd_waits_longer_for_rare_frames(config, capsys, fps, line):
    path = config("picamera2")
    with open(path, "a") as file:
        file.write(fps)
    assert main(["service", "install", "--print", "--config", path]) == 0
    assert line in capsys.readouterr().out.splitlines()


def test_systemd_analyze_accepts_it(config, capsys, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze; tests/service brings its own")
    assert main(["service", "install", "--print", "--user", "camera", "--config", config("picamera2")]) == 0
    unit = tmp_path / "edgemask.service"
    unit.write_text(capsys.readouterr().out)
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=30", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["install"], "required: --config"),
        (["install", "--config", "CONFIG", "--user", "a b"], "'a b' is not a user name"),
        (["install", "--config", "no such.toml"], "no such.toml cannot be read"),
        (["install", "--config", "CONFIG"], "service install needs root: sudo "),
        (["remove"], "service remove needs root: sudo "),
        (["status"], "there is no systemctl here"),
        (["start"], "invalid choice: 'start'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(config, capsys, monkeypatch, arguments, sentence):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "")
    assert main(["service", *(config("picamera2") if word == "CONFIG" else word for word in arguments)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and len(said.splitlines()) == 1


def test_a_place_that_systemd_cannot_write_down_is_refused(tmp_path, capsys, picamera2):
    path = tmp_path / "my live.toml"
    path.write_text('source = "picamera2"')
    assert main(["service", "install", "--print", "--config", str(path)]) == 2
    assert "my live.toml: systemd wants a path of letters" in capsys.readouterr().err


def test_a_relative_path_means_another_file_to_the_service(config, capsys, monkeypatch, astronaut_path):
    monkeypatch.chdir(astronaut_path.parent)
    path = config("picamera2")
    with open(path, "a") as file:
        file.write('bundle = "person-320.edgemask"')
    for entry in ("bundle person-320.edgemask", "source astronaut.jpg"):
        assert main(["config", "check", path]) == 0
        assert main(["service", "install", "--print", "--config", path]) == 2
        assert f"{path}: {entry} should be an absolute path" in capsys.readouterr().err
        config("astronaut.jpg")


def test_without_a_running_systemd_nothing_is_left_behind(config, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("edgemask.verbs.service.UNIT", tmp_path / "edgemask.service")
    monkeypatch.setattr("edgemask.verbs.service.BOOTED", tmp_path / "none", raising=False)
    monkeypatch.setattr("edgemask.verbs.service._reachable", lambda _: None)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "systemctl").write_text("#!/bin/sh\nexit 1\n")  # installed, as in a container, and no help
    (tmp_path / "systemctl").chmod(0o755)
    assert main(["service", "install", "--config", config("picamera2")]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "systemd does not run here" in sentence and not (tmp_path / "edgemask.service").exists()


def test_help_of_install_has_an_example(capsys):
    assert main(["service", "install", "--help"]) == 0
    assert "example:\n  edgemask service install --config /etc/edgemask.toml --print\n" in capsys.readouterr().out


def test_an_environment_in_a_closed_folder_is_refused(config, capsys, monkeypatch, tmp_path):
    told = config("picamera2")
    (tmp_path / "home").mkdir(mode=0o700)
    (tmp_path / "home" / "python").touch()
    monkeypatch.setattr("sys.executable", str(tmp_path / "home" / "python"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("edgemask.verbs.service.BOOTED", tmp_path)
    assert main(["service", "install", "--config", told]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/home is closed to others: make the virtual environment in /opt/edgemask" in said
