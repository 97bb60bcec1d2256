"""Quantisation-aware fine-tuning: what is trained is what int8 computes, and what comes of it is a checkpoint again."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgemask.calibration.calibrate import Technique  # noqa: E402
from edgemask.cli import main  # noqa: E402
from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from edgemask.convert.conversion import Conversion  # noqa: E402
from edgemask.convert.train import example  # noqa: E402
from edgemask.convert.train.quantised import RoundedNetwork  # noqa: E402

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


def apart(network, other):
    """By stage, how far two networks' outputs are from each other, as a share of the largest."""
    random = torch.Generator().manual_seed(0)
    image, small, large = (torch.rand(shape, generator=random) for shape in ((1, 3, 320, 320), (2, 96, 7, 7), (2, 96, 14, 14)))
    with torch.inference_mode():
        pairs = {
            "trunk": zip(network.trunk(image * 2 - 1)[1], other.trunk(image * 2 - 1)[1], strict=True),
            "box": zip(network.box(small * 3), other.box(small * 3), strict=True),
            "mask": [(network.mask(large * 3), other.mask(large * 3))],
        }
        return {stage: max(float((a - b).abs().max() / b.abs().max()) for a, b in both) for stage, both in pairs.items()}


def test_weights_go_round_unharmed(conversion):
    """Back in a float network, they are the ones it was exported from, batch norms folded."""
    before = conversion.checkpoint.network
    assert max(apart(RoundedNetwork(conversion).network(before), before).values()) < 1e-3


def test_it_rounds_as_int8_does(conversion):
    """To the int8 engine's own outputs, but for sums on the middle between two steps, which may go either way.

    Without corrections, of which training knows nothing.
    """
    conversion.quantise(dict.fromkeys(conversion.names, Technique(True, False, False)), ("tflite",))
    model, random = conversion.models["tflite"], np.random.default_rng(0)
    info = model.bundle.tensors("mask", "tflite")[0]
    rois = np.clip(random.normal(info.zero_point, 40, (3, 14, 14, 96)), -128, 127).astype(np.int8)
    int8, step = model.dequantise(model.engines["mask"](rois), "mask_logits"), model.tensors["mask_logits"].scale
    with torch.inference_mode():
        exact = torch.from_numpy(info.dequantise(rois)).permute(0, 3, 1, 2)
        rounded = RoundedNetwork(conversion).mask(exact).permute(0, 2, 3, 1).numpy()
    assert (np.abs(rounded - int8) < 1.5 * step).mean() > 0.95
    np.testing.assert_allclose(rounded / step, np.rint(rounded / step), atol=1e-3)


def test_without_iterations_a_checkpoint_is_only_rounded_and_kept_when_it_is_better(apples, fruit, capsys):
    (fruit / "rounded.toml").write_text(
        'train = "train.json"\nval = "val.json"\nstart = "apples.safetensors"\n'
        "iterations = 0\nbatch = 2\nheads = true\nquantised = 2\n"
    )
    assert main(["train", str(fruit / "rounded.toml"), "--workers", "0", "--out", str(fruit / "run")]) == 0
    assert re.search(r"mask AP [\d.]+ to [\d.]+ \(float [\d.]+\); not kept", capsys.readouterr().out)
    start, best, rounded = (load_checkpoint(path).network for path in (
        apples, fruit / "run" / "best.safetensors", fruit / "run" / "quantised.safetensors"))  # fmt: skip
    assert max(apart(best, start).values()) == 0
    # Nothing but the heads learned: the trunk moved by float16's rounding, in which checkpoints are written.
    moved = apart(rounded, start)
    assert moved["trunk"] < 4e-3 < min(moved["box"], moved["mask"])
