"""The web page as its clients see it: HTTP, WebSocket viewers, tokens, health and metrics."""

import dataclasses
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import edgemask
from edgemask.cameras import Frame
from edgemask.cli import main
from edgemask.errors import OptionError, OutputError
from edgemask.web.access import Access
from edgemask.web.page import WIDEST, WebPage

TOKEN = "a-token-of-ours"


@pytest.fixture(scope="module")
def people(astronaut):
    return edgemask.load(threads=1)(astronaut).above(0.5)


@pytest.fixture
def frame(astronaut):
    return Frame(astronaut, "cam", 0, 15.0, stamp=time.monotonic_ns(), age_ms=12.3)


@pytest.fixture
def page():
    with WebPage(Access("127.0.0.1:0")) as page:
        yield page


@pytest.fixture
def public():
    with WebPage(Access("127.0.0.1:0", TOKEN)) as page:
        yield page


def get(page, path, **headers):
    """Status, headers and text."""
    request = urllib.request.Request(f"http://127.0.0.1:{page.server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def metric(page, name, **labels):
    families = text_string_to_metric_families(get(page, "/metrics")[2])
    samples = (sample for family in families for sample in family.samples)
    return next(sample.value for sample in samples if (sample.name, sample.labels) == (f"edgemask_{name}", labels))


def viewer(page, path="/live", **options):
    return connect(f"ws://127.0.0.1:{page.server.port}{path}", proxy=None, max_size=None, **options)


def until(condition):
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def show(page, frame, people, number, viewers=1):
    """Write a frame once so many viewers are there."""
    until(lambda: page.server.viewers >= viewers)
    page.write(dataclasses.replace(frame, number=number, stamp=time.monotonic_ns()), people)


def look(client, acknowledge=True):
    """The next picture: (record, RGB)."""
    while isinstance(message := client.recv(timeout=20), str):
        assert json.loads(message)["shown_ms"] >= 0
    line, _, jpeg = message.partition(b"\n")
    if acknowledge:
        client.send("")
    return json.loads(line), cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_viewer_gets_the_frame_and_its_record(page, frame, people):
    with viewer(page) as client:
        show(page, frame, people, 7)
        record, rgb = look(client)
    assert record["schema"] == "edgemask.frame/1" and record["frame"] == 7 and record["detections"] == people.coco()
    assert rgb.shape == frame.rgb.shape and np.abs(rgb.astype(int) - frame.rgb).mean() < 4


def test_many_viewers_cost_one_encoding_and_nobody_costs_none(page, frame, people):
    for number in range(5):
        page.write(frame, people)
    assert metric(page, "web_pictures_encoded_total") == 0 and metric(page, "frames_total") == 5
    with viewer(page) as first, viewer(page) as second, viewer(page) as third:
        for number in range(5, 8):
            show(page, frame, people, number, viewers=3)
            assert {look(client)[0]["frame"] for client in (first, second, third)} == {number}
        assert metric(page, "web_pictures_encoded_total") == 3 and metric(page, "web_viewers") == 3
    show(page, frame, people, 8)
    until(lambda: metric(page, "web_viewers") == 0)
    encoded = metric(page, "web_pictures_encoded_total")
    page.write(frame, people)
    assert metric(page, "web_pictures_encoded_total") == encoded


def test_a_viewer_who_is_slow_sees_the_newest_and_nothing_queues_up(page, frame, people):
    page.server.STALL = 600  # however long a hundred frames take here
    with viewer(page) as slow:
        show(page, frame, people, 0)
        assert look(slow, acknowledge=False)[0]["frame"] == 0
        for number in range(1, 100):
            show(page, frame, people, number)
        slow.send("")
        assert look(slow)[0]["frame"] == 99


def test_a_viewer_who_stalls_is_dropped_and_the_others_see_every_frame(page, frame, people, caplog):
    page.server.STALL = 0.5
    with viewer(page) as good, viewer(page) as bad:
        seen = []
        for number in range(20):
            show(page, frame, people, number)
            seen.append(look(good)[0]["frame"])
            time.sleep(0.05)
        assert seen == list(range(20))
        until(lambda: page.server.viewers == 1)
        with pytest.raises(ConnectionClosed):
            while True:
                bad.recv(timeout=5)
    assert caplog.messages == ["a viewer of the web page stalled and was dropped"]


def test_a_viewer_who_never_reads_is_dropped(page, people):
    """Its socket is full: not even the picture gets out."""
    page.server.STALL = 0.5
    noise = np.random.default_rng(0).integers(0, 256, (1280, 1280, 3), np.uint8)
    people = dataclasses.replace(people[:0], size=(1280, 1280))
    with socket.create_connection(("127.0.0.1", page.server.port)) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.sendall(
            b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        until(lambda: page.server.viewers)
        page.write(Frame(noise, "cam", 0, 15.0), people)
        until(lambda: not page.server.viewers)


def test_a_wide_picture_is_made_narrower(page, people):
    wide = np.zeros((720, 2560, 3), np.uint8)
    with viewer(page) as client:
        show(page, Frame(wide, "cam", 0, 15.0), dataclasses.replace(people[:0], size=(2560, 720)), 0)
        record, rgb = look(client)
    assert rgb.shape == (360, WIDEST, 3) and record["size"] == [2560, 720]


def test_a_viewer_who_leaves_while_no_frames_come_is_not_counted(page):
    with viewer(page):
        until(lambda: page.server.viewers == 1)
    until(lambda: page.server.viewers == 0)


def test_the_page_needs_nothing_from_elsewhere(page):
    status, headers, html = get(page, "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"] and "viewport" in html
    assert "http://" not in html and "https://" not in html and "src=" not in html
    assert get(page, "/nothing")[0] == 404


def test_health_says_what_is_wrong(page, frame, people):
    status, _, text = get(page, "/healthz")
    assert status == 503 and text.startswith("no frame yet")
    page.write(frame, people)
    assert get(page, "/healthz")[::2] == (200, "ok\n")
    page.metrics.silence = 0.05
    time.sleep(0.1)
    status, _, text = get(page, "/healthz")
    assert status == 503 and text.startswith("no frame for")


def test_metrics_are_prometheus(page, frame, people, monkeypatch):
    page.write(frame, people)
    page.write(dataclasses.replace(frame, number=4, dropped=3), dataclasses.replace(people, ms={"gate": 2.0, "total": 2.0}))
    assert get(page, "/metrics")[1]["Content-Type"].startswith("text/plain; version=0.0.4")
    assert metric(page, "frames_total") == 2 and metric(page, "frames_dropped_total") == 3
    assert metric(page, "frame_age_seconds") == 0.0123 and metric(page, "instances") == len(people)
    assert metric(page, "stage_seconds_count", stage="total") == 2 and metric(page, "stage_seconds_count", stage="trunk") == 1
    assert metric(page, "stage_seconds_sum", stage="gate") == 0.002
    kinds = {family.name: family.type for family in text_string_to_metric_families(get(page, "/metrics")[2])}
    assert kinds["edgemask_stage_seconds"] == "summary" and kinds["edgemask_frames"] == "counter"
    for celsius in (47.2, None):
        monkeypatch.setattr("edgemask.device.temperature", lambda: celsius)
        text = get(page, "/metrics")[2]
        assert ("edgemask_temperature_celsius 47.2\n" in text) == (celsius is not None)


@pytest.mark.parametrize("path", ["/", "/metrics", "/live"])
def test_no_token_no_picture(public, path):
    for wrong in ("", "?token=", "?token=another-token", f"?token={TOKEN}x", "?token=%C3%A9"):
        assert get(public, path + wrong)[0] == 403
    assert get(public, path, Authorization="Bearer another-token")[0] == 403
    if path == "/live":
        for wrong in ("", "?token=another-token"):
            with pytest.raises(InvalidStatus, match="403"), viewer(public, path + wrong):
                pass
        with viewer(public, f"/live?token={TOKEN}"):
            pass
    else:
        assert get(public, f"{path}?token={TOKEN}")[0] == 200
        assert get(public, path, Authorization=f"Bearer {TOKEN}", Host="pi.local")[0] == 200


def test_health_is_open(public):
    assert get(public, "/healthz")[0] == 503


def test_a_service_leaves_word_once_somebody_has_used_the_link(public, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert get(public, "/")[0] == 403 and get(public, "/healthz")[0] == 503 and not list(tmp_path.iterdir())
    assert get(public, f"/?token={TOKEN}")[0] == 200 and (tmp_path / "page-opened").exists()


def test_no_other_web_site_has_a_hand_in_it(page):
    assert get(page, "/", Host="localhost:8000")[0] == 200
    assert get(page, "/", Host="evil.example")[0] == 403  # whose name points at 127.0.0.1
    for origin, allowed in ((f"http://127.0.0.1:{page.server.port}", True), ("http://evil.example", False), ("null", False)):
        if allowed:
            with viewer(page, origin=origin):
                pass
        else:
            with pytest.raises(InvalidStatus, match="403"), viewer(page, origin=origin):
                pass


def test_public_listens_everywhere_and_prints_one_link(capsys):
    with WebPage(Access("127.0.0.1:0", True)) as page:
        (link,) = [line for line in capsys.readouterr().err.splitlines() if "?token=" in line]
        with urllib.request.urlopen(link.removeprefix("web page at ")) as answer:
            assert answer.status == 200  # at this machine's own address, not at 127.0.0.1
    assert "//127." not in link and Access("127.0.0.1:0", True).token != page.access.token


@pytest.mark.parametrize(
    "address, public",
    [("8000", False), ("localhost:", False), ("localhost:99999", False), ("0.0.0.0:8000", False), ("[::]:80", False),
     ("pi.local:8000", False), ("127.0.0.1:8000", "short"), ("127.0.0.1:8000", "spaces are not good")],
)  # fmt: skip
def test_bad_addresses_and_tokens_are_said(address, public):
    with pytest.raises(OptionError):
        Access(address, public)


def test_an_address_in_use_is_one_sentence(page):
    with pytest.raises(OutputError, match="web page cannot listen at 127.0.0.1"):
        WebPage(Access(f"127.0.0.1:{page.server.port}")).__enter__()


def test_it_ends_at_once_with_viewers_waiting_and_opens_again(frame, people):
    page = WebPage(Access("127.0.0.1:0"))
    for number in range(2):
        with page, viewer(page) as client:
            show(page, frame, people, number)
            assert look(client)[0]["frame"] == number
            until(lambda: page.server.viewers)
            closing = threading.Thread(target=page.__exit__)
            closing.start()
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
                client.recv(timeout=10)
            closing.join(10)
            assert not closing.is_alive()


def test_the_command_serves_a_paced_clip(tmp_path, astronaut):
    from edgemask.verbs.demo import pan_and_zoom

    pan_and_zoom(astronaut, tmp_path / "clip.mp4")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--paced", "--track", "--web", f"127.0.0.1:{port}"]
    command = [sys.executable, "-m", "edgemask", "run", str(tmp_path / "clip.mp4"), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        line = next(line for line in process.stderr if "web page" in line)
        assert line == f"web page at http://127.0.0.1:{port}/\n"
        with connect(f"ws://127.0.0.1:{port}/live", proxy=None) as client:
            records = [look(client)[0] for _ in range(5)]
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out == ""
    assert [record["frame"] for record in records] == sorted({record["frame"] for record in records})
    assert records[-1]["detections"][0]["track_id"]


def test_without_the_library_one_sentence_says_what_to_install(astronaut_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "edgemask.web.server", None)
    assert main(["run", str(astronaut_path), "--web", "127.0.0.1:0"]) == 2
    assert "pip install 'edgemask[web]'" in capsys.readouterr().err
