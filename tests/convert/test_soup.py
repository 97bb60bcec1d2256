"""Averaged heads."""

import pytest

torch = pytest.importorskip("torch")
from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from edgemask.convert.train import soup  # noqa: E402


def changed(checkpoint, path, key, classes=None):
    """The checkpoint with 1 added to all that is called so, and other names for its classes."""
    found = load_checkpoint(checkpoint)
    found.network.load_state_dict({name: value + (key in name) for name, value in found.network.state_dict().items()})
    save_checkpoint(found.network, classes or found.classes, path, found.licence)
    return path


def test_heads_are_averaged_and_the_rest_is_the_first_ones(checkpoint, tmp_path):
    other, out = changed(checkpoint, tmp_path / "other.safetensors", "box.fc1.bias"), tmp_path / "mean.safetensors"
    third = changed(checkpoint, tmp_path / "third.safetensors", "dense.u.bias")
    assert soup.main([str(out), str(checkpoint), str(other), str(third)]) == 0
    one, mean = (load_checkpoint(path) for path in (checkpoint, out))
    assert mean.classes == one.classes and mean.licence == one.licence
    for key, value in mean.network.state_dict().items():
        torch.testing.assert_close(value, one.network.state_dict()[key] + (1 / 3 if key == "box.fc1.bias" else 0), msg=key)


def test_another_trunk_is_named_and_nothing_written(checkpoint, tmp_path, capsys):
    other, out = changed(checkpoint, tmp_path / "other.safetensors", "fpn.lateral.1.conv"), tmp_path / "mean.safetensors"
    assert soup.main([str(out), str(checkpoint), str(other)]) == 2
    assert "other.safetensors has another fpn.lateral.1.conv.weight" in capsys.readouterr().err and not out.exists()


def test_other_classes_are_named(checkpoint, tmp_path, capsys):
    other = changed(checkpoint, tmp_path / "other.safetensors", "no such key", ("cat",))
    assert soup.main([str(tmp_path / "mean.safetensors"), str(checkpoint), str(other)]) == 2
    assert "other.safetensors knows cat" in capsys.readouterr().err
