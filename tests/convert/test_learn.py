"""What the dense head learns from: views, the labels they carry, and what its losses count."""

import numpy as np
import pytest

from edgemask.convert.body.samples import Samples, exact, mirrored, view
from edgemask.parts import MIRROR

torch = pytest.importorskip("torch")
from edgemask.convert.body import learn  # noqa: E402
from edgemask.convert.body.learn import losses  # noqa: E402
from edgemask.convert.checkpoint import load_checkpoint  # noqa: E402


@pytest.mark.parametrize("seed", range(8))
def test_a_grid_over_a_view_says_where_in_the_picture_its_cells_are(seed):
    """Of a picture whose colour is its place."""
    rows, columns = np.mgrid[0:200, 0:250]
    rgb = np.dstack([columns, rows, np.zeros_like(rows)]).astype(np.uint8)
    seen = view(rgb, np.array([100.0, 60, 140, 120]), (320, 320), 127, np.random.default_rng(seed))
    box = seen.box(np.array([105.0, 65, 135, 115]))
    assert (box[:2] > 0).all() and (box[2:] < 320).all()
    x, y = seen.grid(box, 28)
    assert (np.sign(x[-1] - x[0]) < 0) == seen.mirrored
    for index in (0, 13, 27):
        at = box[:2] + (index + 0.5) / 28 * (box[2:] - box[:2])
        colour = seen.rgb[int(at[1]), int(at[0])].astype(float)
        np.testing.assert_allclose(colour[:2], [x[index], y[index]], atol=2)


def test_a_map_says_part_or_nothing():
    person, iuv = np.zeros((8, 8), bool), np.zeros((8, 8, 3), np.uint8)
    person[2:6, 2:6] = True
    iuv[2:6, 2:4] = 9, 51, 255
    bits, u, v = exact(person, iuv, np.arange(-1, 8) + 0.5, np.arange(8) + 0.5)
    assert (bits[2:6, 3:5] == 1 << 9).all() and (bits[2:6, 5:7] == 0).all()
    assert (bits[:2] == 0).all() and (bits[:, 0] == 0).all()
    assert np.allclose(u[2:6, 3:5], 0.2) and np.allclose(v[2:6, 3:5], 1) and np.isnan(u[0]).all()


def test_left_becomes_right_and_the_torso_turns():
    part = np.arange(1, 25, dtype=np.uint32)
    bits, u, _ = mirrored(np.uint32(1) << part, np.full(24, 0.2), np.zeros(24))
    assert (bits == np.uint32(1) << np.array(MIRROR[1:], np.uint32)).all()
    assert np.allclose(u[:2], 0.8) and np.allclose(u[2:], 0.2)


def test_any_allowed_part_is_right_and_silence_costs_nothing():
    logits = torch.full((1, 24, 28, 28), -20.0)
    logits[:, 6] = 20
    coordinates = torch.full((1, 24, 28, 28), 0.5)
    bits, unknown = torch.zeros(1, 28, 28, dtype=torch.long), torch.full((1, 28, 28), float("nan"))
    bits[0, 0] = 1 << 7 | 1 << 9
    wanted = unknown.clone()
    wanted[0, 0] = 0.5
    found = losses((logits, coordinates, coordinates), bits, unknown, wanted)
    assert float(found["parts"]) < 1e-6 and float(found["v"]) == 0 and float(found["u"]) == 0
    bits[0, 1] = 1 << 9
    assert float(losses((logits, coordinates, coordinates), bits, unknown, wanted)["parts"]) > 10


def test_the_command_goes_on_from_the_head_or_begins_anew(checkpoint, tmp_path):
    """Two steps: a head that went on is near the one it was, a new one is not; the rest of the network is as before."""
    random = np.random.default_rng(0)
    bits = np.uint32(1) << random.integers(1, 25, (4, 28, 28), np.uint32)
    features, somewhere = random.uniform(0, 3, (4, 14, 14, 96)).astype(np.float16), np.full((4, 28, 28), 0.5, np.float16)
    Samples(features, bits, somewhere, somewhere).save(tmp_path / "samples.npz")
    before, apart = load_checkpoint(checkpoint).network, {}
    for name, more in (("on", []), ("anew", ["--anew"])):
        out = tmp_path / f"{name}.safetensors"
        assert learn.main([str(checkpoint), str(out), str(tmp_path / "samples.npz"), "--epochs", "2", *more]) == 0
        after = load_checkpoint(out).network
        apart[name] = (after.dense.parts.weight - before.dense.parts.weight).abs().max().item()
        assert torch.equal(after.mask.logits.weight, before.mask.logits.weight)
    assert apart["on"] < 0.02 < 0.1 < apart["anew"]
