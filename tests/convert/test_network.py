"""The torch network against the golden file, and checkpoints."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import load_file, save_file  # noqa: E402

from edgemask.cli import main  # noqa: E402
from edgemask.convert.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from edgemask.convert.golden import golden as golden_of  # noqa: E402
from edgemask.convert.network import Network  # noqa: E402


def agree(got, want):
    """Within 1e-4 of the tensor's largest value."""
    assert got.shape == want.shape
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


@torch.inference_mode()
@pytest.mark.parametrize("name", ["person_v1", "person_v8"])
def test_every_stage_matches_the_golden_file(name, checkpoint, request):
    """person_v1's is the work of other code, that which trained it."""
    golden = np.load(checkpoint.with_name(f"{name}.golden.npz"))
    given = checkpoint if name == checkpoint.stem else request.getfixturevalue("shared") / "models" / f"{name}.safetensors"
    network = load_checkpoint(given).network
    image = torch.from_numpy((golden["image"].astype(np.float32) - 127) / 128).permute(2, 0, 1)[None]
    levels, objectness, deltas = network.trunk(image)
    for index, level in enumerate(levels):
        agree(level.numpy(), golden[f"p{index + 3}"])
        agree(objectness[index].permute(0, 2, 3, 1).reshape(-1).numpy(), golden[f"objectness_{index}"])
        agree(deltas[index].permute(0, 2, 3, 1).reshape(-1, 4).numpy(), golden[f"deltas_{index}"])
    scores, box_deltas = network.box(torch.from_numpy(golden["roi7"]))
    agree(scores.numpy(), golden["box_scores"][:8])
    agree(box_deltas.numpy(), golden["box_deltas"][:8])
    agree(network.mask(torch.from_numpy(golden["roi14"])).numpy(), golden["mask_logits"])
    if "dense_parts" in golden:
        outputs = network.dense(torch.from_numpy(golden["roi14"]))
        for name, values in zip(("dense_parts", "dense_u", "dense_v"), outputs, strict=True):
            agree(values.numpy(), golden[name])


def test_the_golden_file_is_what_its_command_writes(checkpoint):
    committed, made = np.load(checkpoint.with_suffix(".golden.npz")), golden_of(load_checkpoint(checkpoint))
    assert set(committed) == set(made)
    np.testing.assert_array_equal(made["image"], committed["image"])
    for name in made:
        agree(made[name].astype(float), committed[name].astype(float))


def test_a_checkpoint_survives_being_saved(checkpoint, tmp_path):
    loaded = load_checkpoint(checkpoint)
    save_checkpoint(loaded.network, loaded.classes, tmp_path / "again.safetensors", loaded.licence)
    again = load_checkpoint(tmp_path / "again.safetensors")
    assert again.classes == loaded.classes == ("person",) and again.licence == loaded.licence
    for key, value in loaded.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[key]), key


def break_shape(state):
    state["fpn.lateral.0.conv.weight"] = torch.zeros(96, 41, 1, 1)


def break_values(state):
    state["box.fc2.bias"][3] = float("nan")


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda state: state.pop("rpn.deltas.bias"), "rpn.deltas.bias"),
        (lambda state: state.pop("box.scores.bias"), "not a checkpoint of this model family"),
        (lambda state: state.update(extra=torch.zeros(1)), "extra"),
        (break_shape, r"\[96, 41, 1, 1\]"),
        (break_values, "not finite"),
    ],
)
def test_what_is_no_checkpoint_of_the_family_is_one_sentence(change, said, checkpoint, tmp_path, capsys):
    state = load_file(checkpoint)
    change(state)
    path = tmp_path / "odd.safetensors"
    save_file(state, path, {"classes": "person"})
    out = tmp_path / "x.edgemask"
    assert main(["convert", str(path), "--float", "-o", str(out)]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert re.search(said, message)
    assert not out.exists()


def test_a_missing_and_a_truncated_checkpoint_and_too_few_class_names(checkpoint, tmp_path, capsys):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(checkpoint.read_bytes()[:100_000])
    save_checkpoint(Network(3), ["a"], tmp_path / "names.safetensors")
    for path in (tmp_path / "none.safetensors", cut, tmp_path / "names.safetensors"):
        assert main(["convert", str(path), "--float", "-o", str(tmp_path / "x.edgemask")]) == 2
        assert capsys.readouterr().err.count("\n") == 1
