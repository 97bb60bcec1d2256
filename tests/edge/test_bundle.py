"""Bundles are read with distrust: whatever is wrong is one sentence that names the file."""

import hashlib
import json
import zipfile

import pytest

from edgemask.bundle import SHIPPED, Bundle
from edgemask.cli import main
from edgemask.errors import BundleError
from edgemask.manifest import LAYOUT


def rewrite(path, change=lambda manifest, files: None, compression=zipfile.ZIP_STORED):
    """A copy of the shipped bundle with its manifest and files changed in place."""
    with zipfile.ZipFile(SHIPPED) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("manifest.json"))
    change(manifest, files)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def drop(section):
    return lambda manifest, files: manifest.pop(section)


def flip_a_byte(manifest, files):
    content = bytearray(files["box.onnx"])
    content[len(content) // 2] ^= 1
    files["box.onnx"] = bytes(content)


def other_schema(manifest, files):
    manifest["schema"] = "edgemask.bundle/9"


def entry_named(name):
    def change(manifest, files):
        files[name] = b"x"
        manifest["stages"]["trunk"]["other"] = {"file": name, "sha256": hashlib.sha256(b"x").hexdigest()}

    return change


def unlisted(manifest, files):
    files["extra.bin"] = b"x"


def missing_file(manifest, files):
    del files["mask.onnx"]


def odd_input(manifest, files):
    manifest["input"]["width"] = 300


def not_a_network(manifest, files):
    files["trunk.onnx"] = b"not a network"
    manifest["stages"]["trunk"]["onnx"]["sha256"] = hashlib.sha256(b"not a network").hexdigest()


ATTACKS = {
    "wrong hash": (flip_a_byte, "SHA-256"),
    "another schema": (other_schema, "schema"),
    "no stages": (drop("stages"), "stages"),
    "no input": (drop("input"), "input"),
    "parent folder": (entry_named("../evil.onnx"), "plain file name"),
    "absolute path": (entry_named("/etc/evil"), "plain file name"),
    "windows path": (entry_named("..\\evil"), "plain file name"),
    "sub-folder": (entry_named("a/b.onnx"), "plain file name"),
    "hidden file": (entry_named(".evil"), "plain file name"),
    "unlisted file": (unlisted, "not in both"),
    "file missing": (missing_file, "not in both"),
    "odd input": (odd_input, "multiple of 64"),
    "no network": (not_a_network, "ONNX Runtime does not load"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_bad_bundle_is_one_sentence_and_exit_2(attack, tmp_path, capsys, astronaut_path):
    change, expected = ATTACKS[attack]
    path = rewrite(tmp_path / "bad.edgemask", change)
    out = tmp_path / "out.jsonl"
    assert main(["run", str(astronaut_path), "--bundle", str(path), "--jsonl", str(out)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and expected in lines[0] and not out.exists()


@pytest.mark.parametrize("keep", [0, 1, 100, 5000, 1_000_000, -30])
def test_a_truncated_bundle(keep, tmp_path, capsys):
    path = tmp_path / "cut.edgemask"
    path.write_bytes(SHIPPED.read_bytes()[:keep])
    assert main(["inspect", str(path)]) == 2
    assert "cut.edgemask" in capsys.readouterr().err


def test_a_missing_bundle_a_folder_and_a_text_file(tmp_path, capsys):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for path in (tmp_path / "none.edgemask", tmp_path, text):
        assert main(["inspect", str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_compressed_entries_and_a_manifest_that_is_not_json(tmp_path):
    with pytest.raises(BundleError, match="compressed"):
        Bundle(rewrite(tmp_path / "deflated.edgemask", compression=zipfile.ZIP_DEFLATED))
    path = tmp_path / "garbage.edgemask"
    for manifest in ("{", "[" * 100_000, "\udcff".encode("utf-8", "surrogatepass"), "[]", '{"schema": 1}'):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json", manifest)
        with pytest.raises(BundleError, match=r"garbage\.edgemask"):
            Bundle(path)


RUN_BY = ("classes", "input", "anchors", "proposals", "detections", "box_coder", "roi", "stages", "source")


@pytest.mark.parametrize("section", RUN_BY)
def test_a_section_or_an_entry_of_a_wrong_kind_is_a_bundle_error(section, tmp_path):
    manifest = Bundle().manifest
    keys = [None, *(LAYOUT[section] if isinstance(LAYOUT[section], dict) else [])]
    for key in keys:
        for value in (None, 3.5, -1, "", [], {}, [None], {"onnx": 1}, True):
            if (section, key) in (("source", "tools"), ("detections", "score")) or (key and value == 3.5):
                continue  # kinds that are right there

            def change(manifest, files, key=key, value=value):
                manifest.update({section: value} if key is None else {section: {**manifest[section], key: value}})
                files.clear()

            with pytest.raises(BundleError, match=r"typed\.edgemask"):
                Bundle(rewrite(tmp_path / "typed.edgemask", change))


def test_the_shipped_bundle_is_whole(capsys, checkpoint):
    bundle = Bundle()
    bundle.verify()
    assert bundle.classes == ("person",) and bundle.engines() == ["onnx"]
    assert bundle.manifest["source"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert bundle.manifest["accuracy"]["evaluator"].startswith("pycocotools")
    assert main(["inspect"]) == 0
    text = capsys.readouterr().out
    assert "trunk / onnx" in text and "87 of 87 nodes int8" in text and "scale 0.0078125, zero point 127" in text
    assert main(["inspect", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == bundle.manifest
