"""--mqtt and its companions: what is taken, what is refused, and that a password is never repeated."""

from argparse import ArgumentTypeError

import pytest

from edgemask.cli import main
from edgemask.errors import MissingLibrary, OptionError
from edgemask.sinks.broker import Broker
from edgemask.sinks.connection import paho_client
from edgemask.sinks.mqtt import Mqtt, device_name
from edgemask.verbs.run import read_options


@pytest.mark.parametrize("url, expected", [
    ("mqtt://hub", Broker("hub", 1883)),
    ("mqtts://hub", Broker("hub", 8883, True)),
    ("mqtt://me@hub:99/", Broker("hub", 99, user="me")),
    ("mqtts://me:p%40ss@192.168.1.2:8884", Broker("192.168.1.2", 8884, True, "me", "p@ss")),
    ("mqtt://[::1]:1884", Broker("::1", 1884)),
])  # fmt: skip
def test_addresses(url, expected):
    assert Broker.parse(url) == expected


def test_a_password_is_neither_printed_nor_represented(capsys, tmp_path, picamera2):
    url = "mqtts://me:s3cret@hub"
    it = Broker.parse(url)
    assert str(it) == "mqtts://hub:8883" and "s3cret" not in repr(it) and "me" not in repr(it).split("'")
    config = tmp_path / "edgemask.toml"
    config.write_text(f'source = "picamera2"\nmqtt = "{url}"\n')
    assert main(["config", "check", str(config), "--json"]) == 0
    assert "s3cret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("url", [
    "hub", "hub:1883", "http://me:s3cret@hub", "mqtt://", "mqtt://me:s3cret@", "mqtt://me:s3cret@hub:port",
    "mqtt://me:s3cret@hub:99999", "mqtt://me:s3cret@hub/topic", "mqtt://me:s3cret@hub?x", "mqtt://me:s3cret@a..b",
])  # fmt: skip
def test_what_is_no_address_is_one_sentence_without_the_password(url, capsys):
    with pytest.raises(ArgumentTypeError, match=r"that is not mqtt://\[USER"):
        Broker.parse(url)
    assert main(["run", "picamera2", "--mqtt", url]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("edgemask: argument --mqtt: that is not") and "s3cret" not in sentence


def test_where_the_password_comes_from(tmp_path, monkeypatch):
    file = tmp_path / "password"
    file.write_text("from file\n")
    monkeypatch.setenv("EDGEMASK_MQTT_PASSWORD", "from environment")
    assert Broker.parse("mqtt://me:url@hub").let_in(file).password == "url"
    assert Broker.parse("mqtt://me@hub").let_in(file).password == "from file"
    assert Broker.parse("mqtt://me@hub").let_in().password == "from environment"
    with pytest.raises(OptionError, match="there is a password for mqtt://hub:1883, but no user"):
        Broker.parse("mqtt://hub").let_in()
    monkeypatch.delenv("EDGEMASK_MQTT_PASSWORD")
    assert Broker.parse("mqtt://me@hub").let_in().password is None


def test_files_that_are_none(tmp_path):
    hub, hubs = Broker.parse("mqtt://me@hub"), Broker.parse("mqtts://me@hub")
    (tmp_path / "no.pem").write_text("no certificate")
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xfd")
    for call, sentence in (
        (lambda: hub.let_in(tmp_path / "gone"), "--mqtt-password-file .*gone cannot be read: No such file"),
        (lambda: hub.let_in(tmp_path / "latin"), "--mqtt-password-file .*latin is not text"),
        (lambda: hub.let_in(ca=tmp_path / "no.pem"), "--mqtt-ca is for mqtts://, and mqtt://hub:1883 is not encrypted"),
        (lambda: hubs.let_in(ca=tmp_path / "gone.pem"), "--mqtt-ca .*gone.pem cannot be read: No such file"),
        (lambda: hubs.let_in(ca=tmp_path / "no.pem"), "--mqtt-ca .*no.pem holds no certificates"),
    ):
        with pytest.raises(OptionError, match=sentence):
            call()


@pytest.mark.parametrize("arguments, complaint", [
    (["--zone", "door", "0,0", "1,0", "1,1"], "--zone is for --mqtt"),
    (["--device", "hall"], "--device is for --mqtt"),
    (["--mqtt-frames"], "--mqtt-frames is for --mqtt"),
    (["--mqtt", "mqtt://localhost", "--device", "the hall"], "--device the hall is not made of letters"),
    (["--mqtt", "mqtt://localhost", "--device", "a/b"], "--device a/b is not made of letters"),
    (["--mqtt", "mqtt://localhost"], "--mqtt is for cameras"),
])  # fmt: skip
def test_options_that_do_not_go_together(arguments, complaint, capsys, astronaut_path):
    assert main(["run", str(astronaut_path), *arguments]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert complaint in sentence


def test_zones_and_broker_in_a_configuration_file(tmp_path, capsys):
    config = tmp_path / "edgemask.toml"
    text = 'source = "picamera2"\nmqtt = "mqtt://hub"\nzone = [["door", "0,0", "0.5,0", "0.5,1"], ["desk", "0.5,0", "1,0", "{}"]]\n'
    config.write_text(text.format("1,1"))
    options = read_options([f"--config={config}"])
    assert options.mqtt == Broker("hub", 1883) and [words[0] for words in options.zone] == ["door", "desk"]
    config.write_text(text.format("640,480"))
    assert main(["config", "check", str(config)]) == 2
    assert "--zone desk: '640,480' is not x,y in fractions" in capsys.readouterr().err


def test_the_host_has_a_name_that_topics_can_hold(monkeypatch):
    for host, name in (("raspberrypi", "raspberrypi"), ("pi.local", "pi"), ("küche 1", "k-che-1"), ("", "edgemask")):
        monkeypatch.setattr("platform.node", lambda host=host: host)
        assert device_name(None) == name


def test_without_paho_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "paho.mqtt", None)
    with pytest.raises(MissingLibrary, match=r"pip install 'edgemask\[mqtt\]'"):
        Mqtt(Broker("hub", 1883), ("person",))


def test_paho_1_is_refused(monkeypatch):
    monkeypatch.delattr("paho.mqtt.client.CallbackAPIVersion")
    with pytest.raises(MissingLibrary, match="'paho-mqtt>=2'"):
        paho_client()
