"""Every camera that works without a Pi, and the parts of the Pi's that do."""

import contextlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest

from edgemask.cameras import Camera, FakeCamera, open_camera
from edgemask.cameras.picamera2 import main_size, on_monotonic_clock, widest
from edgemask.cameras.stream import Stream
from edgemask.cameras.yuv import rgb_from_yuv
from edgemask.cli import main
from edgemask.errors import MissingLibrary, OptionError, SourceError
from edgemask.video_file import writing_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Thirty frames at 50 a second; frame n is a grey of 8 n."""
    path = tmp_path_factory.mktemp("clip") / "clip.webm"
    with writing_video(path, 50, (64, 48)) as append:
        for number in range(30):
            append(np.full((48, 64, 3), 8 * number, np.uint8))
    return path


# Buffers


def planar(rgb, stride, filler=255):
    """A picture as a YUV420 buffer with padded rows."""
    height, width = rgb.shape[:2]
    i420 = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    luma, chroma = i420[:height], i420[height:].reshape(height, width // 2)
    padded = [np.full((height, length), filler, np.uint8) for length in (stride, stride // 2)]
    padded[0][:, :width], padded[1][:, : width // 2] = luma, chroma
    return np.concatenate([plane.ravel() for plane in padded])


def interleaved(rgb, stride):
    """A picture as an NV12 buffer with padded rows."""
    height, width = rgb.shape[:2]
    i420 = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    rows = np.full((height * 3 // 2, stride), 255, np.uint8)
    rows[:height, :width] = i420[:height]
    u, v = i420[height:].reshape(2, height // 2, width // 2)
    rows[height:, 0:width:2], rows[height:, 1:width:2] = u, v
    return rows.ravel()


@pytest.mark.parametrize("stride", [40, 64])
@pytest.mark.parametrize(("format", "packed"), [("YUV420", planar), ("NV12", interleaved)])
def test_camera_buffers_keep_their_colours_whatever_the_stride(format, packed, stride):
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]], np.uint8)
    bands = np.repeat(np.repeat(colours[None], 24, axis=0), 8, axis=1)  # [24, 40, 3]
    bands[12:] = bands[12:, ::-1]
    slack = np.full(100, 7, np.uint8)  # a driver's buffer may be longer than the picture
    rgb = rgb_from_yuv(np.concatenate([packed(bands, stride), slack]), format, (40, 24), stride)
    assert rgb.dtype == np.uint8 and np.abs(rgb.astype(int) - bands).max() <= 3


def test_other_buffers_are_refused():
    with pytest.raises(ValueError, match="not YUYV"):
        rgb_from_yuv(np.zeros(96, np.uint8), "YUYV", (8, 8), 8)


# What of the Pi's camera needs no Pi


def test_the_sensor_mode_with_the_whole_field_of_view_is_chosen():
    modes = [
        {"size": (640, 480), "crop_limits": (1000, 752, 1280, 960)},
        {"size": (3280, 2464), "crop_limits": (0, 0, 3280, 2464)},
        {"size": (1640, 1232), "crop_limits": (0, 0, 3280, 2464)},
        {"format": "MJPEG"},
    ]
    assert widest(modes)["size"] == (1640, 1232) and widest(modes[3:]) == {}
    assert main_size((1640, 1232), 640) == (640, 480) and main_size((2304, 1296), 1024) == (1024, 576)


def test_stamps_of_both_clocks_land_on_the_monotonic_one(monkeypatch):
    hour = 3600 * 10**9  # asleep: only CLOCK_BOOTTIME counts it
    now = time.monotonic_ns()
    monkeypatch.setattr(time, "monotonic_ns", lambda: now)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: now + hour)
    assert on_monotonic_clock(now - 40_000_000) == on_monotonic_clock(now + hour - 40_000_000) == now - 40_000_000


def test_without_picamera2_the_apt_line_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "libcamera", None)
    with pytest.raises(MissingLibrary, match="sudo apt install python3-picamera2 --no-install-recommends.*system-site-packages"):
        Camera.open("picamera2")


# Sources and options


@pytest.mark.parametrize("options", [{"hflip": True}, {"rotate": 180}, {"focus": 2.0}, {"paced": True}])
def test_options_that_make_no_sense_are_refused(options, astronaut_path):
    (name,) = options
    with pytest.raises(OptionError, match=f"^{name} makes no sense for .*astronaut.jpg"):
        open_camera(astronaut_path, **options)


def test_options_are_for_their_own_sources(clip, tmp_path):
    for source, options in ((clip, {"focus": "continuous"}), ("0", {"focus": 1.0}), ("picamera2", {"paced": True}),
                            (tmp_path, {"vflip": True}), ("rtsp://x/y", {"paced": True}), (clip, {"rotate": 90})):  # fmt: skip
        with pytest.raises(OptionError):
            open_camera(source, **options)


@pytest.mark.parametrize("source", ["250", "/dev/video250", "http://127.0.0.1:9/x", "nothing", "/dev/null"])
def test_what_cannot_be_opened_is_said(source):
    with pytest.raises(SourceError, match=source):
        open_camera(source)


# Videos


def level(frame):
    return round(float(frame.rgb.mean()) / 8)


def test_a_video_gives_every_frame_in_order(clip):
    with open_camera(clip) as camera:
        assert not camera.live and len(camera) == 30
        frames = list(camera)
    assert [frame.number for frame in frames] == list(range(30))
    assert all(abs(level(frame) - frame.number) <= 1 for frame in frames)
    assert frames[0].stamp is None and frames[0].age_ms is None and frames[0].fps == 50


def test_a_paced_video_skips_what_is_late(clip):
    numbers, begin = [], time.monotonic_ns()
    with open_camera(clip, paced=True) as camera:
        assert camera.live
        for frame in camera:
            assert begin <= frame.stamp <= time.monotonic_ns() and frame.age_ms >= 0
            assert abs(level(frame) - frame.number) <= 1
            numbers.append(frame.number)
            time.sleep(0.1)
    assert numbers[0] == 0 and numbers == sorted(set(numbers))
    assert all(after - before >= 4 for before, after in zip(numbers, numbers[1:-1], strict=False)), numbers


# Network streams


class Mjpeg(BaseHTTPRequestHandler):
    """A network camera that wants a password when it is given one: ever brighter pictures, dark at the top, 50 a second."""

    def do_GET(self):
        user = self.headers.get("Authorization")
        if self.server.private and not user:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        self.server.seen.append((user, self.path))
        with contextlib.suppress(OSError):
            for number in range(self.server.frames):
                self._send(np.tile(np.arange(64, dtype=np.uint8)[:, None] + 2 * (number % 90), (1, 64)))
                time.sleep(0.02)
            self.server.silent.wait()

    def _send(self, grey):
        jpeg = cv2.imencode(".jpg", grey)[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        self.wfile.write(head.encode() + jpeg + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_):
        pass


@pytest.fixture
def network_camera(monkeypatch):
    """A server of pictures; `frames`: after how many it falls silent; set `silent` and it hangs up."""
    monkeypatch.setattr(Camera, "STALL", 2.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mjpeg)
    server.daemon_threads = True
    server.frames, server.silent, server.seen, server.private = 10_000, threading.Event(), [], False
    server.address = f"127.0.0.1:{server.server_port}/live.mjpg"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.silent.set()
    server.shutdown()
    server.server_close()


def test_a_stream_gives_the_newest_frame_and_its_thread_ends(network_camera):
    with open_camera(f"http://{network_camera.address}") as camera:
        assert camera.live and camera.source == f"http://{network_camera.address}"
        frames = []
        for frame in camera:
            frames.append(frame)
            time.sleep(0.15)
            if len(frames) == 6:
                break
    numbers = [frame.number for frame in frames]
    assert all(after > before for before, after in zip(numbers, numbers[1:], strict=False))
    assert numbers[-1] - numbers[0] > 10, numbers  # slower than the stream: frames were dropped, none queued
    assert all(frame.age_ms is not None and frame.rgb.shape == (64, 64, 3) for frame in frames)
    assert not camera.thread.is_alive()


def test_a_stream_is_turned_as_asked(network_camera):
    for options, down, right in (({}, 1, 0), ({"vflip": True}, -1, 0), ({"rotate": 180}, -1, 0), ({"hflip": True}, 1, 0)):
        with open_camera(f"http://{network_camera.address}", **options) as camera:
            rgb = next(iter(camera)).rgb.astype(int)
        assert np.sign(rgb[-1].mean() - rgb[0].mean()) == down and abs(rgb[:, -1].mean() - rgb[:, 0].mean()) < 2


def test_a_stream_that_falls_silent_or_ends_is_said(network_camera):
    network_camera.frames = 5
    with open_camera(f"http://{network_camera.address}") as camera:
        with pytest.raises(SourceError, match="gave no frame for 2 s|is gone"):
            list(camera)
    network_camera.silent.set()
    with open_camera(f"http://{network_camera.address}") as camera:
        with pytest.raises(SourceError, match="is gone"):
            list(camera)


def test_the_password_of_a_stream_appears_nowhere(network_camera, capfd):
    network_camera.private, address = True, f"http://me:secret@{network_camera.address}?key=secret"
    assert main(["run", address, "--frames", "2"]) == 0
    said = capfd.readouterr()
    assert "secret" not in said.out + said.err
    records = [json.loads(line) for line in said.out.splitlines()]
    assert [record["source"] for record in records] == [f"http://{network_camera.address}"] * 2
    assert network_camera.seen == [("Basic bWU6c2VjcmV0", "/live.mjpg?key=secret")]  # but the camera gets it
    with pytest.raises(SourceError) as refused:
        Stream("rtsp://me:secret@127.0.0.1:9/live?key=secret")
    assert "secret" not in str(refused.value) and "rtsp://127.0.0.1:9/live" in str(refused.value)


# The fake


def test_the_fake_is_the_same_every_time_and_moves():
    first, second = ([frame.rgb for frame in FakeCamera(frames=3)] for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    assert not np.array_equal(first[0], first[1])
    scenes = [np.full((4, 4, 3), value, np.uint8) for value in (1, 2)]
    assert [int(frame.rgb[0, 0, 0]) for frame in FakeCamera(scenes, frames=5)] == [1, 2, 1, 2, 1]


def test_the_fake_vanishes_and_comes_back():
    camera, numbers = FakeCamera(frames=6, vanish_at={2, 4}), []
    for _ in range(2):
        with pytest.raises(SourceError, match="fake is gone"):
            take(camera, numbers)
    take(camera, numbers)
    assert numbers == [0, 1, 3, 5]


def take(camera, numbers):
    for frame in camera:
        numbers.append(frame.number)


def test_the_fake_stalls():
    camera = FakeCamera(frames=4, stall_at={1: 0.01, 2: 9})
    camera.STALL = 0.05
    numbers = []
    with pytest.raises(SourceError, match=r"no frame for 0\.05 s"):
        take(camera, numbers)
    assert numbers == [0, 1]


def test_the_fake_keeps_time():
    camera, numbers = FakeCamera(fps=100, frames=40), []
    for frame in camera:
        numbers.append(frame.number)
        time.sleep(0.05)
    assert all(after - before >= 4 for before, after in zip(numbers, numbers[1:], strict=False)), numbers
