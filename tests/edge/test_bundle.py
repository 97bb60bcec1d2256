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
    for name in ("box.onnx", "box.tflite"):
        content = bytearray(files[name])
        content[len(content) // 2] ^= 1
        files[name] = bytes(content)


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


def not_a_network(manifest, files):
    replace_trunk(manifest, files, dict.fromkeys(("onnx", "tflite"), b"not a network"))


def another_network(manifest, files):
    replace_trunk(manifest, files, {engine: files[f"mask.{engine}"] for engine in ("onnx", "tflite")})


def replace_trunk(manifest, files, contents):
    for engine, content in contents.items():
        files[f"trunk.{engine}"] = content
        manifest["stages"]["trunk"][engine]["sha256"] = hashlib.sha256(content).hexdigest()


def in_input(key, value):
    return lambda manifest, files: manifest["input"].update({key: value})


def in_section(section, key, value):
    return lambda manifest, files: manifest[section].update({key: value})


def more_classes(manifest, files):
    manifest["classes"] = ["a", "b"]


def no_kernels(manifest, files):
    del manifest["stages"]["trunk"]["onnx"]["kernels"]


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
    "odd input": (in_input("width", 300), "shape"),
    "other input": (in_input("width", 640), "shape"),
    "pad of no pixel": (in_input("pad", 300), "input.pad"),
    "too many ratios": (in_section("anchors", "ratios", [1, 2, 3, 4]), "shape"),
    "too few weights": (in_section("box_coder", "rpn", [1, 1]), "box_coder.rpn"),
    "other RoI": (in_section("roi", "box", 8), "shape"),
    "RoIs of no size": (in_section("roi", "canonical_mask", 0), "canonical_mask"),
    "no such level": (in_section("roi", "levels", ["p3", "objectness_0"]), "shape"),
    "classes the network has not": (more_classes, "shape"),
    "no kernels": (no_kernels, "kernels"),
    "no network": (not_a_network, "does not load this network"),
    "another stage's network": (another_network, "has not the outputs"),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("engine", ["onnx", "tflite"])
def test_a_bad_bundle_is_one_sentence_and_exit_2(attack, engine, tmp_path, capsys, astronaut_path):
    change, expected = ATTACKS[attack]
    path = rewrite(tmp_path / "bad.edgemask", change)
    out = tmp_path / "out.jsonl"
    assert main(["run", str(astronaut_path), "--bundle", str(path), "--jsonl", str(out), "--engine", engine]) == 2
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


@pytest.mark.parametrize("section", ["calibration", "accuracy", "agreement"])
def test_what_may_be_missing_may_not_be_nonsense(section, tmp_path, capsys):
    for value in (3, [1], {"box": 1}, {}):

        def change(manifest, files, value=value):
            manifest[section] = value

        path = rewrite(tmp_path / "odd.edgemask", change)
        assert main(["inspect", str(path)]) == 2
    assert main(["inspect", str(rewrite(tmp_path / "without.edgemask", drop(section)))]) == 0


@pytest.mark.parametrize("flag", [(6, 0x14), (8, 0x08)])  # version needed; general purpose bit 0: encrypted, in the directory
def test_zips_that_python_does_not_read(flag, tmp_path):
    content = bytearray(SHIPPED.read_bytes())
    entry = content.find(b"PK\x01\x02")
    content[entry + flag[0]] = 0xFF if flag[0] == 6 else 0x01
    (tmp_path / "odd.edgemask").write_bytes(content)
    with pytest.raises(BundleError):
        Bundle(tmp_path / "odd.edgemask").verify()


def test_the_shipped_bundle_is_whole(capsys, checkpoint):
    bundle = Bundle()
    bundle.verify()
    assert bundle.classes == ("person",) and bundle.engines() == ["onnx", "tflite"]
    assert bundle.manifest["source"]["sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert bundle.manifest["accuracy"][0]["evaluator"].startswith("pycocotools")
    assert main(["inspect"]) == 0
    text = capsys.readouterr().out
    assert "trunk / onnx" in text and "87 of 87 nodes int8" in text and "scale 0.0078125, zero point 127" in text
    assert main(["inspect", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    said.pop("xnnpack")
    assert said == bundle.manifest
