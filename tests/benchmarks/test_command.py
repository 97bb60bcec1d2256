"""What a benchmark says of bad input: one sentence, as the verbs do."""

import runpy
import shutil
import sys

import pytest

CALLS = [
    (["agreement", "/none"], "/none cannot be listed"),
    (["agreement", "FOLDER", "/none.edgemask"], "/none.edgemask does not exist"),
    (["agreement", "FOLDER", "BUNDLE"], "alone-float.edgemask does not exist: edgemask convert makes it beside alone.edgemask"),
    (["agreement", "FOLDER", "--count", "-5"], "'-5' is not a whole number"),
    (["engines", "/none.edgemask"], "/none.edgemask does not exist"),
    (["engines", "--threads", "1,x"], "'x' is not a whole number"),
    (["engines", "--threads", "1000"], "threads must be a whole number from 1 to 256"),
    (["engines", "--rounds", "1"], "--rounds must be at least 2"),
    (["tracking", "--clip", "nope"], "nope cannot be read: No such file or directory"),
    (["tracking", "--clip", "BUNDLE"], "is none of the clips whose people were counted"),
    (["soak", "--frames", "-5"], "'-5' is not a whole number"),
    (["soak", "--real", "x"], "'x' is not a whole number"),
    (["soak", "--scale", "-1", "--faults"], "--scale must be above 0"),
    (["emulated", "count", "--bundle", "/none.edgemask"], "/none.edgemask does not exist"),
]


@pytest.fixture
def call(monkeypatch, capsys):
    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_module(f"edgemask.benchmarks.{name}", run_name="__main__")
        return end.value.code, capsys.readouterr().err

    return call


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
@pytest.mark.parametrize(("arguments", "sentence"), CALLS)
def test_bad_input_is_one_sentence_and_exit_2(call, shipped_alone, arguments, sentence):
    places = {"FOLDER": shipped_alone.parent, "BUNDLE": shipped_alone}
    code, said = call(*(str(places.get(word, word)) for word in arguments))
    assert code == 2 and sentence in said.splitlines()[-1] and "Traceback" not in said


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")
def test_a_missing_library_is_one_sentence(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert call("engines") == (2, "edgemask: engine onnx needs ONNX Runtime: pip install 'edgemask[onnx]'\n")
    monkeypatch.setattr("edgemask.benchmarks.mosquitto.Mosquitto.path", lambda: "/usr/sbin/mosquitto")
    monkeypatch.setattr("edgemask.benchmarks.mosquitto.Mosquitto.__enter__", lambda self: self)
    monkeypatch.setattr("edgemask.benchmarks.mosquitto.Mosquitto.__exit__", lambda *_: None)
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    assert call("soak", "--frames", "1", "--faults") == (2, "edgemask: --mqtt needs paho-mqtt: pip install 'edgemask[mqtt]'\n")


@pytest.fixture
def shipped_alone(tmp_path, astronaut_path):
    """The shipped bundle without its float reference, beside a picture."""
    shutil.copy(astronaut_path, tmp_path)
    return shutil.copy(astronaut_path.parent / "person-320.edgemask", tmp_path / "alone.edgemask")
