"""A dense head that learns with the rest: its label sets, their views, and a recipe that names them."""

import json

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
from pycocotools import mask as coco_mask  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from edgemask.cli import main  # noqa: E402
from edgemask.convert.body.samples import LabelSet  # noqa: E402
from edgemask.convert.network import Network  # noqa: E402
from edgemask.convert.train.augment import sample  # noqa: E402
from edgemask.convert.train.bodies import BodyViews  # noqa: E402
from edgemask.convert.train.bodies import collate as collate_bodies  # noqa: E402
from edgemask.convert.train.dataset import read_pictures  # noqa: E402
from edgemask.convert.train.loader import collate  # noqa: E402
from edgemask.convert.train.losses import Losses  # noqa: E402
from edgemask.convert.train.recipe import read_recipe  # noqa: E402
from edgemask.errors import DatasetError  # noqa: E402

SIDE = 120


@pytest.fixture
def people(tmp_path):
    """Four pictures of a block that is part 9 with U and V growing over it, and of one of whom nothing is known."""
    random, images, annotations = np.random.default_rng(5), [], []
    (tmp_path / "iuv").mkdir()
    for index in range(4):
        cv2.imwrite(str(tmp_path / f"{index}.png"), random.integers(0, 255, (SIDE, SIDE, 3), np.uint8))
        iuv = np.zeros((SIDE, SIDE, 3), np.uint8)
        iuv[20:100, 10:50] = 9
        iuv[20:100, 10:50, 1] = np.linspace(0, 255, 40).astype(np.uint8)
        iuv[20:100, 10:50, 2] = np.linspace(0, 255, 80).astype(np.uint8)[:, None]
        cv2.imwrite(str(tmp_path / "iuv" / f"{index}.png"), iuv[..., ::-1])
        images.append({"id": index, "file_name": f"{index}.png", "width": SIDE, "height": SIDE, "iuv": f"iuv/{index}.png"})
        for x0, x1 in ((10, 50), (70, 110)):
            mask = np.zeros((SIDE, SIDE), np.uint8, order="F")
            mask[20:100, x0:x1] = 1
            segmentation = coco_mask.encode(mask)
            segmentation["counts"] = segmentation["counts"].decode()
            annotations.append({"id": len(annotations) + 1, "image_id": index, "category_id": 1, "iscrowd": 0, "area": 3200,
                                "bbox": [x0, 20, x1 - x0, 80], "segmentation": segmentation})  # fmt: skip
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    path = tmp_path / "people.json"
    path.write_text(json.dumps(content))
    return path


def recipe(people, **entries):
    path = people.with_name("recipe.toml")
    lines = {"train": '"people.json"', "val": '"people.json"', "dense": '"people.json"', "input": '"64x64"', "batch": 2,
             "bodies": 2, "iterations": 2, "warmup": 1, "val_minutes": 1000, **entries}  # fmt: skip
    path.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
    return path


def test_a_view_is_its_numbers_and_holds_only_who_is_labelled(people):
    found, again = (BodyViews([LabelSet(people)], read_recipe(recipe(people))) for _ in range(2))
    seen = 0
    for index in range(8):
        one, other = found[index], again[index]
        np.testing.assert_array_equal(one.rgb, other.rgb)
        np.testing.assert_array_equal(one.allowed, other.allowed)
        assert len(one.boxes) <= 4 and one.allowed.shape[1:] == one.u.shape[1:] == (28, 28)
        mine = one.allowed[(one.allowed > 0)]
        assert set(np.log2(mine).astype(int)) <= {9, 10}  # the left thigh's or the right one's, seen in a mirror
        seen += len(mine)
    assert seen > 500


def test_a_set_without_maps_says_so(people):
    content = json.loads(people.read_text())
    del content["images"][2]["iuv"]
    people.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=r"picture 2\.png has no iuv map"):
        LabelSet(people)
    with pytest.raises(DatasetError, match="nobody with keypoints to"):
        LabelSet(people, weak=True)


@pytest.mark.parametrize("key", ["image_id", "bbox"])
def test_an_annotation_that_lacks_something_is_named(people, key):
    content = json.loads(people.read_text())
    del content["annotations"][3][key]
    people.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match=rf"annotations\[3\] has no {key}"):
        LabelSet(people)


def test_a_set_without_a_labelled_pixel_says_so(people):
    for path in (people.parent / "iuv").iterdir():
        cv2.imwrite(str(path), np.zeros((SIDE, SIDE, 3), np.uint8))
    with pytest.raises(DatasetError, match="nobody of whom a pixel is labelled"):
        LabelSet(people)


def test_a_set_whose_files_are_missing_says_so_before_anything_begins(people):
    (people.parent / "iuv" / "1.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of its 8 files are missing \(first: 1\.png\)"):
        LabelSet(people)


@pytest.mark.parametrize("nobody", [False, True])
def test_its_losses_reach_the_trunk_unless_there_is_nobody(people, nobody):
    settings = read_recipe(recipe(people))
    network = Network(1, dense=True).train()
    (picture, *_), _ = read_pictures(settings.train, ["person"])
    labelled = [sample(picture, settings, np.random.default_rng(seed)) for seed in range(2)]
    views = [BodyViews([LabelSet(people)], settings)[index] for index in range(4)]
    if nobody:
        for one in views:
            one.boxes, one.allowed, one.u, one.v = one.boxes[:0], one.allowed[:0], one.u[:0], one.v[:0]
    found = Losses(network, ["person"], settings.input)(collate(labelled), 0, collate_bodies(views))
    dense = sum(found[name] for name in ("parts", "u", "v"))
    assert torch.isfinite(sum(found.values())) and (dense.item() == 0) == nobody
    dense.backward()
    assert (float(network.backbone.blocks[5].expand.conv.weight.grad.abs().sum()) == 0) == nobody
    assert network.dense.parts.weight.grad is not None


@pytest.mark.train
def test_a_recipe_with_bodies_writes_a_checkpoint_with_the_head(people, checkpoint):
    path, out = recipe(people, start=f'"{checkpoint}"'), people.with_name("run")
    assert main(["train", str(path), "--workers", "0", "--out", str(out)]) == 0
    assert {f"dense.{name}.weight" for name in ("parts", "u", "v")} <= set(load_file(out / "best.safetensors"))
