"""TLS, users and passwords at a real broker, with certificates made for the test."""

import contextlib
import ssl
import subprocess

import pytest

from edgemask.benchmarks.mosquitto import Listener, Mosquitto
from edgemask.benchmarks.waiting import until
from edgemask.sinks.broker import Broker
from edgemask.sinks.mqtt import Mqtt

pytestmark = pytest.mark.broker
SECRET = "p@ss:w/rd%"


def openssl(folder, arguments):
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder with an authority's ca.pem, a server.pem and server.key of 127.0.0.1 signed by it, and a stranger.pem."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ca", "stranger"):
        openssl(folder, f"req -x509 -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.pem -subj /CN={name}")
    openssl(folder, "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=broker")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    openssl(folder, "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem")
    return folder


@pytest.fixture(scope="module")
def guarded(certificates):
    """A broker that speaks TLS only, to user `me` with the password only."""
    users = certificates / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", users, "me", SECRET], check=True)
    lines = (f"cafile {certificates}/ca.pem", f"certfile {certificates}/server.pem", f"keyfile {certificates}/server.key")
    with Mosquitto(*lines, "allow_anonymous false", f"password_file {users}") as broker:
        yield broker


@pytest.fixture
def listener(guarded, certificates):
    def configure(client):
        client.username_pw_set("me", SECRET)
        client.tls_set_context(ssl.create_default_context(cafile=certificates / "ca.pem"))

    with Listener(guarded.port, configure=configure) as listening:
        yield listening


@contextlib.contextmanager
def running(bench, guarded, user, **let_in):
    broker = Broker.parse(f"mqtts://{user}127.0.0.1:{guarded.port}").let_in(**let_in)
    with bench.running(bench.camera(), [Mqtt(broker, ("person",), "lab")]) as loop:
        yield loop


@pytest.mark.parametrize("way", ["url", "file", "environment"])
def test_the_right_password_over_tls(bench, guarded, certificates, listener, tmp_path, monkeypatch, way):
    monkeypatch.setenv("EDGEMASK_MQTT_PASSWORD", SECRET if way == "environment" else "wrong")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    user = "me:p%40ss%3Aw%2Frd%25@" if way == "url" else "me@"
    file = tmp_path / "secret" if way == "file" else None
    with running(bench, guarded, user, password_file=file, ca=certificates / "ca.pem"):
        assert until(lambda: listener.on("availability") and listener.on("availability")[-1] == b"online")
        assert until(lambda: listener.on("state") and listener.on("config"))
    assert until(lambda: listener.on("availability")[-1] == b"offline")
    said = [payload for _, payload, _ in listener.messages]
    assert not bench.said and not any(SECRET.encode() in payload or b'"me"' in payload for payload in said)


@pytest.mark.parametrize("user, ca, complaint", [
    ("me:wrong@", "ca.pem", "refuses: Not authorized"),
    ("", "ca.pem", "refuses: Not authorized"),
    ("me:p%40ss%3Aw%2Frd%25@", "stranger.pem", "cannot be reached: [SSL: CERTIFICATE_VERIFY_FAILED]"),
    ("me:p%40ss%3Aw%2Frd%25@", None, "cannot be reached: [SSL: CERTIFICATE_VERIFY_FAILED]"),
])  # fmt: skip
def test_who_is_not_let_in_says_so_once_and_goes_on(bench, guarded, certificates, listener, user, ca, complaint):
    with running(bench, guarded, user, ca=ca and certificates / ca) as loop:
        assert until(lambda: bench.said)
        frames = loop.frames
        assert until(lambda: loop.frames > frames + 150), "the loop waits for the broker"  # three seconds, some tries
    (sentence,) = bench.said
    assert sentence.startswith(f"mqtts://127.0.0.1:{guarded.port} {complaint}")
    assert "p@ss" not in sentence and "wrong" not in sentence
    assert not [topic for topic, _, retained in listener.messages if not retained]


def test_a_plain_client_gets_nothing_out_of_a_tls_broker(bench, guarded, listener):
    broker = Broker.parse(f"mqtt://me:p%40ss%3Aw%2Frd%25@127.0.0.1:{guarded.port}").let_in()
    with bench.running(bench.camera(), [Mqtt(broker, ("person",), "lab")]) as loop:
        assert until(lambda: bench.said and loop.frames > 50)
    assert not [topic for topic, _, retained in listener.messages if not retained]
