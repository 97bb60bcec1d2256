"""A second checkpoint, for nothing in the rooms is tuned to one set of weights; and the body."""

import importlib.util
import os

import cv2
import pytest


@pytest.fixture(scope="session")
def three_classes(tmp_path_factory, astronaut):
    """A random K = 3 model at 320×192, converted on crops of one picture: (int8 path, float path)."""
    torch = pytest.importorskip("torch")
    from edgemask.cli import main
    from edgemask.convert.checkpoint import save_checkpoint
    from edgemask.convert.network import Network

    folder = tmp_path_factory.mktemp("three")
    torch.manual_seed(1)
    network = Network(3)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    network.box.scores.weight.data *= 0.02  # every class a fair chance in every box
    save_checkpoint(network, ["cat", "dog", "owl"], folder / "three.safetensors")
    (folder / "set").mkdir()
    for index in range(6):
        cv2.imwrite(str(folder / "set" / f"{index}.png"), astronaut[20 * index : 300 + 20 * index, ::-1])
    out = folder / "three.edgemask"
    arguments = ["convert", str(folder / "three.safetensors"), "--calibration", str(folder / "set")]
    assert main([*arguments, "--input", "320x192", "-o", str(out)]) == 0
    return out, folder / "three-float.edgemask"


@pytest.fixture(scope="session")
def mesh():
    """The body at rest, which takes anny."""
    if not importlib.util.find_spec("anny"):
        assert not os.environ.get("CI"), "CI must have anny: pip install 'edgemask[body]'"
        pytest.skip("needs the body: pip install 'edgemask[body]'")
    from edgemask.convert.body.mesh import Mesh
    from edgemask.convert.body.model import body_model

    return Mesh(body_model())
