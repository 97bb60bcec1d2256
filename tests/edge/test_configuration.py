"""The configuration file says what the flags say."""

import json
import socket
import sys

import pytest

from edgemask.cli import main
from edgemask.verbs.run import read_options


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "live.toml"

    def write(text):
        path.write_text(text)
        return f"--config={path}"

    return write


EVERYTHING = """
source = "picamera2"
score = 0.7
threads = 2
gate = true
vflip = false
rotate = 180
jsonl = ["a.jsonl", "tcp:127.0.0.1:7000"]
max-size = "100M"
out = "results"
"""
SAME = ["picamera2", "--score", "0.7", "--threads", "2", "--gate", "--rotate", "180", "--jsonl", "a.jsonl",
        "--jsonl", "tcp:127.0.0.1:7000", "--max-size", "100M", "--out", "results"]  # fmt: skip


def test_a_file_says_what_the_flags_say(config):
    file, flags = vars(read_options([config(EVERYTHING)])), vars(read_options(SAME))
    assert file.pop("config") and flags.pop("config") is None
    assert file == flags


@pytest.mark.parametrize("arguments", [SAME, ["0", "--jsonl=b.jsonl", "--max-size=2G", "--score=0.3", "--frames", "7"]])
def test_the_command_line_wins(config, arguments):
    told = config('source = "elsewhere"\njsonl = ["never"]\nmax-size = "1K"\nscore = 0.1\nhflip = true')
    found, alone = vars(read_options([told, *arguments])), vars(read_options(arguments))
    assert found.pop("hflip") is True and found.pop("config")
    assert found == {name: value for name, value in alone.items() if name not in ("hflip", "config")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("scor = 0.5", "no entry is called 'scor'; is it 'score'?"),
        ("max_size = '100M'", "is it 'max-size'?"),
        ("xyzzy = 1", "no entry is called 'xyzzy'; there are source, bundle, score"),
        ("config = 'other.toml'", "no entry is called 'config'"),
        ("[limits]\nfps = 3", "no entry is called 'limits'"),
        ("[out]\nfolder = 'a'", "out = {'folder': 'a'} should be a string or a number"),
        ("gate = 'yes'", "gate = 'yes' should be true or false"),
        ("gate = 1", "gate = 1 should be true or false"),
        ("score = true", "score = True should be a string or a number"),
        ("score = 2", "argument --score: '2' is not a score between 0 and 1"),
        ("threads = 1.5", "argument --threads: '1.5' is not a whole number"),
        ("rotate = 90", "argument --rotate: invalid choice: "),
        ("engine = 'tpu'", "argument --engine: invalid choice: 'tpu'"),
        ("jsonl = 'a.jsonl'", "jsonl = 'a.jsonl' should be a list"),
        ("jsonl = [['a']]", "jsonl = ['a'] should be a string or a number"),
        ("source = ['a']", "source = ['a'] should be a string or a number"),
        ("score = ", "is not TOML: Invalid value"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_file_and_entry(config, capsys, text, sentence):
    told = config(text)
    assert main(["run", "clip.mp4", told]) == 2
    said = capsys.readouterr().err
    assert told.partition("=")[2] in said and sentence in said and len(said.splitlines()) == 1


def test_a_missing_file_and_a_missing_source(tmp_path, config, capsys):
    assert main(["run", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml cannot be read: No such file or directory" in capsys.readouterr().err
    assert main(["run", config("gate = true")]) == 2
    assert "live.toml: there is no entry 'source', and no SOURCE on the command line" in capsys.readouterr().err
    assert main(["run", "--config"]) == 2
    assert "expected one argument" in capsys.readouterr().err


def test_config_check(config, capsys, picamera2):
    path = config(EVERYTHING).partition("=")[2]
    assert main(["config", "check", path]) == 0
    assert capsys.readouterr().out == f"{path} is fine; it runs picamera2\n"
    assert main(["config", "check", path, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["source"] == "picamera2" and found["score"] == 0.7 and found["max_size"] == 100 << 20
    config("gate = 3")
    assert main(["config", "check", path]) == 2
    assert "gate = 3" in capsys.readouterr().err


PI = 'source = "picamera2"\n'
REFUSED = [
    (PI + 'jsonl = ["tcp:7000"]', "tcp:7000 is not tcp:HOST:PORT"),
    (PI + 'public = "short"', "a token has at least 12"),
    (PI + 'web = "0.0.0.0:80"', "0.0.0.0 can be reached from other machines"),
    (PI + 'bundle = "/none"', "/none does not exist"),
    (PI + "threads = 1000", "threads must be a whole number from 1 to 256"),
    (PI + "paced = true", "paced makes no sense for 'picamera2'"),
    (PI + 'mqtt = "mqtt://me@hub"\nmqtt-password-file = "/none"', "--mqtt-password-file /none cannot be read"),
    (PI + 'zone = [["door", "0,0", "1,0", "1,1"]]', "--zone is for --mqtt"),
    ("gate = true", "there is no entry 'source'"),
    ('source = ""', "'' cannot be opened"),
    ('source = "none.mp4"', "'none.mp4' cannot be opened"),
    ('source = "FOLDER/live.toml"', "is neither a picture nor a video"),
    ('source = "PICTURE"\nfps = 5', "--fps is for cameras"),
    ('source = "PICTURE"\ntrack = true', "--track is for videos and cameras"),
    ('source = "PICTURE"\nmqtt = "mqtt://hub"', "--mqtt is for cameras"),
    ('source = "PICTURE"\nhflip = true', "hflip makes no sense for"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_what_run_refuses_check_and_install_refuse_too(config, capsys, picamera2, tmp_path, astronaut_path, text, sentence):
    told = config(text.replace("PICTURE", str(astronaut_path)).replace("FOLDER", str(tmp_path)))
    for command in (["run"], ["config", "check"], ["service", "install", "--print"]):
        assert main([*command, told.partition("=")[2] if command[0] == "config" else told]) == 2
        out, said = capsys.readouterr()
        assert "live.toml: " in said and sentence in said and said.count("\n") == 1 and not out


def test_without_picamera2_and_without_the_engine_check_says_so(config, capsys, monkeypatch, picamera2):
    path = config(PI + 'engine = "onnx"').partition("=")[2]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["config", "check", path]) == 2
    assert "pip install 'edgemask[onnx]'" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "picamera2", None)
    assert main(["config", "check", path]) == 2
    assert f"{path}: Pi cameras need picamera2: sudo apt install" in capsys.readouterr().err


def test_check_opens_no_camera_and_listens_nowhere(config, capsys):
    """Index 97 is no camera here, and the port is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = config(f'source = "97"\nweb = "127.0.0.1:{taken.getsockname()[1]}"\nmqtt = "mqtt://no.such.host"').partition("=")[2]
        assert main(["config", "check", path]) == 0


def test_a_run_from_a_file(config, tmp_path, astronaut_path):
    told = config(f'source = "{astronaut_path}"\njsonl = ["{tmp_path}/records.jsonl"]\nthreads = 1')
    assert main(["run", told]) == 0
    record = json.loads((tmp_path / "records.jsonl").read_text())
    assert record["detections"] and record["source"] == "astronaut.jpg"


def test_flags_yet_to_come_need_nothing_here(config):
    from edgemask.arguments import parser
    from edgemask.configuration import config_option, parse

    def read(*arguments):
        it = parser("test", "", "")
        it.add_argument("--zone", nargs="+", action="append", default=[])
        it.add_argument("--web", nargs="?", const="127.0.0.1:8080")
        it.add_argument("source")
        config_option(it)
        options = vars(parse(it, list(arguments)))
        return options["source"], options["zone"], options["web"]

    text = 'source = "0"\nzone = [["door", "0,0", "9,9"], ["bed", "1,1"]]\nweb = '
    assert read(config(text + "true")) == ("0", [["door", "0,0", "9,9"], ["bed", "1,1"]], "127.0.0.1:8080")
    assert read(config(text + "false"))[2] is None
    assert read(config(text + "'0.0.0.0:1'"))[2] == "0.0.0.0:1"
    assert read("clip.mp4", "--zone", "other", "2,2", "--web", config(text + "'x'")) == ("clip.mp4", [["other", "2,2"]], "127.0.0.1:8080")
