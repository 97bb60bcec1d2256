"""Quantisation-aware fine-tuning: what is trained is what int8 computes, and what comes of it is a checkpoint again."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from edgemask.convert.conversion import Conversion  # noqa: E402
from edgemask.convert.train import example  # noqa: E402
from edgemask.convert.train.dataset import read_pictures  # noqa: E402
from edgemask.convert.train.quantised import RoundedNetwork, last_step  # noqa: E402
from edgemask.convert.train.recipe import Recipe  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def fruit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantised")
    assert example.main([str(folder), "--train", "12", "--val", "4", "--classes", "apple"]) == 0
    return folder


@pytest.fixture(scope="module")
def apples(checkpoint, fruit):
    """The person model, told that it knows apples."""
    save_checkpoint(load_checkpoint(checkpoint).network, ("apple",), fruit / "apples.safetensors")
    return fruit / "apples.safetensors"


@pytest.fixture(scope="module")
def conversion(apples, astronaut_path):
    with Conversion(apples, 320, 320) as found:
        found.to_int8(astronaut_path.parent)
        yield found


def test_weights_go_round_unharmed(conversion):
    """Back in a float network, the corrected weights are as near to those before as int8 is."""
    network, before = RoundedNetwork(conversion).network(conversion.checkpoint.network), conversion.checkpoint.network
    image, random = torch.rand(1, 3, 320, 320) * 2 - 1, torch.Generator().manual_seed(0)
    rois = [torch.rand(2, 96, side, side, generator=random) * 3 for side in (7, 14)]
    with torch.inference_mode():
        for mine, theirs in [*zip(network.trunk(image)[1], before.trunk(image)[1], strict=True),
                             *zip(network.box(rois[0]), before.box(rois[0]), strict=True),
                             (network.mask(rois[1]), before.mask(rois[1]))]:  # fmt: skip
            assert (mine - theirs).square().mean() < 0.05 * theirs.square().mean()


def test_it_rounds_as_int8_does(conversion):
    """To the int8 engine's own outputs, but for sums on the middle between two steps, which may go either way."""
    model, random = conversion.models["tflite"], np.random.default_rng(0)
    info = model.bundle.tensors("mask", "tflite")[0]
    rois = np.clip(random.normal(info.zero_point, 40, (3, 14, 14, 96)), -128, 127).astype(np.int8)
    int8, step = model.dequantise(model.engines["mask"](rois), "mask_logits"), model.tensors["mask_logits"].scale
    with torch.inference_mode():
        exact = torch.from_numpy(info.dequantise(rois)).permute(0, 3, 1, 2)
        rounded = RoundedNetwork(conversion).mask(exact).permute(0, 2, 3, 1).numpy()
    assert (np.abs(rounded - int8) < 1.5 * step).mean() > 0.95
    np.testing.assert_allclose(rounded / step, np.rint(rounded / step), atol=1e-3)


def test_it_is_kept_only_when_it_is_better(apples, fruit, tmp_path):
    best = tmp_path / "best.safetensors"
    best.write_bytes(apples.read_bytes())
    recipe = Recipe((fruit / "train.json",), fruit / "val.json", batch=2, quantised=2)
    pictures, _ = read_pictures(recipe.train, ("apple",))
    said = last_step(best, recipe, pictures, ("apple",), 0)
    assert "not kept" in said and best.read_bytes() == apples.read_bytes()
    assert (tmp_path / "quantised.safetensors").exists()
