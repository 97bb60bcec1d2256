"""Averaged models."""

import pytest

torch = pytest.importorskip("torch")
from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from edgemask.convert.network import Network  # noqa: E402
from edgemask.convert.train import soup  # noqa: E402


def changed(checkpoint, path, key, classes=None):
    """The checkpoint with 1 added to all that is called so, and other names for its classes."""
    found = load_checkpoint(checkpoint)
    found.network.load_state_dict({name: value + (key in name) for name, value in found.network.state_dict().items()})
    save_checkpoint(found.network, classes or found.classes, path, found.licence)
    return path


def test_weights_are_averaged_and_one_named_twice_counts_twice(checkpoint, tmp_path):
    other, out = changed(checkpoint, tmp_path / "other.safetensors", "bias"), tmp_path / "mean.safetensors"
    assert soup.main([str(out), str(checkpoint), str(other), str(other)]) == 0
    one, mean = (load_checkpoint(path) for path in (checkpoint, out))
    assert mean.classes == one.classes and mean.licence == one.licence
    for key, value in mean.network.state_dict().items():
        torch.testing.assert_close(value, one.network.state_dict()[key] + (2 / 3 if "bias" in key else 0), msg=key)


def test_another_head_is_named_and_nothing_written(checkpoint, tmp_path, capsys):
    save_checkpoint(Network(1), ("person",), tmp_path / "bare.safetensors")
    out = tmp_path / "mean.safetensors"
    assert soup.main([str(out), str(checkpoint), str(tmp_path / "bare.safetensors")]) == 2
    assert "only one has a head for body parts" in capsys.readouterr().err and not out.exists()


def test_other_classes_are_named(checkpoint, tmp_path, capsys):
    other = changed(checkpoint, tmp_path / "other.safetensors", "no such key", ("cat",))
    assert soup.main([str(tmp_path / "mean.safetensors"), str(checkpoint), str(other)]) == 2
    assert "other.safetensors knows cat" in capsys.readouterr().err
