"""What the dense head learns from: views, the labels they carry, and what its losses count."""

import json

import cv2
import numpy as np
import pytest

from edgemask import rle
from edgemask.convert.body import samples
from edgemask.convert.body.samples import LabelSet, Samples, allowed, exact, mirrored, view
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
    seen = view(rgb, np.array([100.0, 60, 140, 120]), (320, 320), np.random.default_rng(seed))
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


def test_a_cell_of_a_rare_part_weighs_more():
    """A hundred cells of the torso are right; one of a hand is taken for it: 1 / (100 · 0.1 + 1) of the loss, not 1 / 101."""
    logits = torch.zeros(1, 24, 28, 28)
    logits[:, 1] = 22.0
    bits, unknown = torch.zeros(1, 28, 28, dtype=torch.long), torch.full((1, 28, 28), float("nan"))
    bits[0, :4, :25] = 1 << 2
    bits[0, 20, 20] = 1 << 4
    found = losses((logits, logits, logits), bits, unknown, unknown)
    assert float(found["parts"]) == pytest.approx(22 / 11, rel=1e-3)


def test_a_weak_set_has_people_without_a_mask(tmp_path):
    """Of whom the limbs between keypoints are known; of one with a mask no more than what is in it."""
    rgb = np.full((100, 100, 3), 90, np.uint8)
    cv2.imwrite(str(tmp_path / "one.png"), rgb)
    points = np.zeros((17, 3))
    points[[5, 7, 9]] = (20, 20, 2), (20, 50, 2), (20, 80, 2)  # a left arm
    person = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 100], "iscrowd": 0, "num_keypoints": 3,
              "keypoints": points.ravel().tolist()}  # fmt: skip
    upper = np.zeros((100, 100), bool)
    upper[:50] = True
    content = {"images": [{"id": 1, "file_name": "one.png", "width": 100, "height": 100}],
               "annotations": [person, {**person, "segmentation": rle.encode(upper, (100, 100))}]}  # fmt: skip
    (tmp_path / "people.json").write_text(json.dumps(content))
    labels = LabelSet(tmp_path / "people.json", weak=True)
    centres, masks = np.arange(100) + 0.5, labels.read(labels.images[0]).masks
    bare, masked = (allowed(mask, person, centres, centres)[0] for mask in masks)
    assert bare[65, 20] == 1 << 19 | 1 << 21 and bare[35, 20] == 1 << 15 | 1 << 17 and not bare[:, 70:].any()
    assert (masked[:50] == bare[:50]).all() and not masked[50:].any()


def test_backs_are_of_people_seen_from_behind_alone(tmp_path, checkpoint, capsys):
    cv2.imwrite(str(tmp_path / "one.png"), np.full((100, 100, 3), 90, np.uint8))
    back = np.zeros((17, 3))  # its left is the picture's left, and no face is in sight
    back[[5, 6, 11, 12]] = (30, 20, 2), (55, 20, 2), (35, 60, 2), (50, 60, 2)
    front = back.copy()
    front[[5, 6, 11, 12]], front[[0, 1]] = back[[6, 5, 12, 11]], ((42, 8, 2), (46, 6, 2))
    people = [{"id": number, "image_id": 1, "category_id": 1, "bbox": [20, 0, 50, 100], "iscrowd": 0, "num_keypoints": 4,
               "keypoints": points.ravel().tolist()} for number, points in enumerate((front, back))]  # fmt: skip
    content = {"images": [{"id": 1, "file_name": "one.png", "width": 100, "height": 100}], "annotations": people}
    (tmp_path / "people.json").write_text(json.dumps(content))
    command = [str(checkpoint), str(tmp_path / "people.json"), str(tmp_path / "out.npz"), "--weak", "--backs", "--colour", "0.3"]
    assert samples.main(command) == 0
    seen = Samples.load(tmp_path / "out.npz").allowed
    torso = seen & 0b110
    assert len(seen) == 1 and (torso == 0b010).any() and not (torso == 0b100).any()
    people[1]["keypoints"] = people[0]["keypoints"]
    (tmp_path / "people.json").write_text(json.dumps(content))
    assert samples.main(command) == 2 and "show a back" in capsys.readouterr().err
    del people[1]["keypoints"]
    (tmp_path / "people.json").write_text(json.dumps(content))
    assert samples.main(command) == 2 and "annotations[1] has no list of 17 keypoints" in capsys.readouterr().err
    command.remove("--weak")
    assert samples.main(command) == 2 and "--weak" in capsys.readouterr().err


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
