"""Training: the recipe, the data it is given, what it learns from, and that it goes on where it was."""

import csv
import json
import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
from safetensors.torch import load_file  # noqa: E402

from edgemask import boxes as reference_boxes  # noqa: E402
from edgemask.cli import main  # noqa: E402
from edgemask.convert.bundle_writer import describe  # noqa: E402
from edgemask.convert.train import example, losses, proposals  # noqa: E402
from edgemask.convert.train.augment import recolour, sample  # noqa: E402
from edgemask.convert.train.dataset import Instance, Picture, decode, read_pictures  # noqa: E402
from edgemask.convert.train.loader import collate  # noqa: E402
from edgemask.convert.train.recipe import Recipe  # noqa: E402
from edgemask.convert.train.roi import roi_align  # noqa: E402
from edgemask.convert.train.start import starting_network  # noqa: E402
from edgemask.proposals import Proposer  # noqa: E402
from edgemask.roi_align import roi_align as reference_roi_align  # noqa: E402

SIZE = 320, 192
RECIPE = """
train = "train.json"
val = "val.json"
start = {start!r}
input = "64x64"
batch = 4
val_minutes = 1000
"""


@pytest.fixture(scope="module")
def fruit(tmp_path_factory):
    """A few pictures of apples and bananas, and a recipe for them that takes no time."""
    folder = tmp_path_factory.mktemp("fruit")
    assert example.main([str(folder), "--train", "12", "--val", "4", "--classes", "apple,banana"]) == 0
    return folder


@pytest.fixture
def recipe(fruit, checkpoint):
    def write(name, **entries):
        path = fruit / f"{name}.toml"
        path.write_text(RECIPE.format(start=str(checkpoint)) + "".join(f"{key} = {value}\n" for key, value in entries.items()))
        return path

    return write


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def scattered():
    """Boxes in the input and features of three levels."""
    random = np.random.default_rng(3)
    corner, size = random.uniform(0, 150, (60, 2)), random.uniform(3, 250, (60, 2))
    boxes = np.clip(np.concatenate([corner, corner + size], 1), 0, (*SIZE, *SIZE)).astype(np.float32)
    levels = [random.normal(size=(1, SIZE[1] // stride, SIZE[0] // stride, 96)).astype(np.float32) for stride in (8, 16, 32)]
    return boxes, levels


@pytest.mark.parametrize("pooled", [7, 14])
def test_roi_align_is_the_runtimes(scattered, pooled):
    boxes, levels = scattered
    given = [torch.from_numpy(level).permute(0, 3, 1, 2) for level in levels]
    picture = torch.zeros(len(boxes), dtype=torch.long)
    got = roi_align(given, torch.from_numpy(boxes), picture, SIZE[0], pooled, 112).permute(0, 2, 3, 1)
    np.testing.assert_allclose(got.numpy(), reference_roi_align(levels, boxes, SIZE, pooled, 2, 112), atol=1e-5)


def test_roi_align_looks_into_the_right_picture(scattered):
    boxes, levels = scattered
    given = [torch.from_numpy(np.concatenate([0 * level, level])).permute(0, 3, 1, 2) for level in levels]
    got = [roi_align(given, torch.from_numpy(boxes), torch.full((len(boxes),), one), SIZE[0], 7, 112) for one in (0, 1)]
    assert not got[0].any() and got[1].any()


def test_proposals_are_the_runtimes(golden):
    manifest = describe(("person",), 320, 320)
    proposer = Proposer.of(manifest)
    raw = {kind: [golden[f"{kind}_{level}"] for level in range(4)] for kind in ("objectness", "deltas")}
    given = {kind: [torch.from_numpy(one)[None] for one in values] for kind, values in raw.items()}
    anchors = [torch.from_numpy(one) for one in proposer.anchors]
    coder = manifest["box_coder"]
    nms, keep = (golden[name].item() if name in golden else old for name, old in (("nms", 0.7), ("keep", 50)))  # person_v1's
    limits = {**manifest["proposals"], "nms": nms}
    (got,) = proposals.propose(
        anchors, given["objectness"], given["deltas"], (320, 320), limits, coder["rpn"], coder["clamp"], keep
    )
    np.testing.assert_allclose(got.numpy(), golden["proposals"], atol=1e-3)


def test_nms_is_greedy(scattered):
    boxes, _ = scattered
    kept = reference_boxes.nms(boxes, np.arange(len(boxes), 0, -1), 0.3, len(boxes))
    gone = proposals.suppressed(torch.from_numpy(boxes)[None], 0.3)[0]
    assert np.flatnonzero(~gone.numpy()).tolist() == kept.tolist() and gone.any()


def test_coding_is_undone_by_decoding(scattered):
    boxes, _ = scattered
    coder = [10, 10, 5, 5]
    deltas = proposals.encode(torch.from_numpy(boxes), torch.from_numpy(boxes[::-1].copy()), coder)
    np.testing.assert_allclose(reference_boxes.decode(boxes, deltas.numpy(), coder, 9), boxes[::-1], atol=1e-2)


def test_every_object_has_an_anchor_and_crowds_teach_nothing():
    anchors = torch.from_numpy(np.concatenate(Proposer.of(describe((), *SIZE)).anchors))
    boxes = torch.tensor([[[10.0, 10, 60, 90], [200, 100, 208, 106]], [[0.0, 0, 0, 0]] * 2])
    crowds = torch.tensor([[[100.0, 20, 180, 90]], [[0.0, 0, 0, 0]]])
    (wanted, nothing), (target, _) = losses.match_anchors(anchors, boxes, crowds)
    assert set(target[wanted == 1].tolist()) >= {0} and not nothing.any()
    inside = (anchors[:, 0] > 100) & (anchors[:, 2] < 180) & (anchors[:, 1] > 20) & (anchors[:, 3] < 90)
    assert inside.any() and (wanted[inside] == -1).all()
    assert (wanted == 0).sum() > 1000


def test_masks_seen_through_boxes():
    masks = torch.zeros(1, 64, 64, dtype=torch.uint8)
    masks[0, 16:48, 16:32] = 1
    seen = losses.crop_masks(masks, torch.tensor([0]), torch.tensor([[16.0, 16, 48, 48]]), 28)[0]
    assert seen[:, :14].all() and not seen[:, 14:].any()


def test_dice_is_the_share_that_two_masks_do_not_share():
    goal = torch.zeros(2, 8, 8)
    goal[:, :4] = 1
    exact, other = torch.where(goal > 0, 20.0, -20.0), torch.full_like(goal, 20.0)
    assert losses.dice(exact, goal) == pytest.approx(0, abs=1e-6)
    assert losses.dice(other, goal) == pytest.approx(1 - (2 * 32 + 1) / (64 + 32 + 1), abs=1e-6)


def test_labels_move_with_the_picture(fruit):
    pictures, _ = read_pictures([fruit / "train.json"], ("apple", "banana"))
    recipe = Recipe((), fruit / "val.json", colour=0.0, input=SIZE)
    for number, picture in enumerate(pictures):
        seen = sample(picture, recipe, np.random.default_rng(number), donor=pictures[0] if number % 2 else None)
        assert seen.rgb.shape == (SIZE[1], SIZE[0], 3) and len(seen.boxes) == len(seen.classes) == len(seen.masks)
        for box, mask in zip(seen.boxes, seen.masks, strict=True):
            y, x = np.nonzero(mask)
            assert np.abs(box - [x.min(), y.min(), x.max() + 1, y.max() + 1]).max() <= 1
        apples = seen.masks[seen.classes == 0].any(axis=0)
        apples &= cv2.erode(apples.astype(np.uint8), np.ones((5, 5))).astype(bool)
        if apples.sum() > 500:  # apples are redder than blue wherever their mask is
            assert (seen.rgb[apples][:, 0].astype(int) > seen.rgb[apples][:, 2]).mean() > 0.8


def test_a_batch_keeps_each_mask_with_its_object(fruit):
    pictures, _ = read_pictures([fruit / "train.json"], ("apple", "banana"))
    recipe = Recipe((), fruit / "val.json", input=SIZE)
    samples = [sample(picture, recipe, np.random.default_rng(number)) for number, picture in enumerate(pictures[:4])]
    samples[0].masked[0] = False
    batch = collate(samples)
    assert batch["images"].shape == (4, SIZE[1], SIZE[0], 3) and batch["mask"][0, 0] == -1
    for row, one in enumerate(samples):
        for index in range(len(one.boxes)):
            np.testing.assert_array_equal(batch["boxes"][row, index], one.boxes[index])
            if one.masked[index]:
                np.testing.assert_array_equal(batch["masks"][batch["mask"][row, index]], one.masks[index])
        assert not batch["boxes"][row, len(one.boxes) :].any() and (batch["mask"][row, len(one.boxes) :] == -1).all()


def test_colours_turn_and_greys_stay_grey():
    rgb = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    seen = [recolour(rgb, 0.3, np.random.default_rng(seed)) for seed in range(8)]
    assert all(one.dtype == np.uint8 and one.shape == rgb.shape and not np.array_equal(one, rgb) for one in seen)
    grey = np.full((8, 8, 3), 127, np.uint8)
    untouched = [recolour(grey, 0.0, np.random.default_rng(seed)) for seed in range(8)]
    assert sum(np.array_equal(one, grey) for one in untouched) >= 4  # the others have noise


def test_a_view_is_a_function_of_the_seed(fruit):
    pictures, _ = read_pictures([fruit / "train.json"], ("apple", "banana"))
    recipe = Recipe((), fruit / "val.json")
    one, same, other = (sample(pictures[0], recipe, np.random.default_rng(seed), pictures[1]) for seed in (1, 1, 2))
    assert np.array_equal(one.rgb, same.rgb) and np.array_equal(one.masks, same.masks)
    assert not np.array_equal(one.rgb, other.rgb)


def test_empty_views_show_what_is_between_the_objects(tmp_path):
    path = tmp_path / "red.png"
    content = np.full((100, 200, 3), 90, np.uint8)
    content[20:80, 10:60] = 0, 0, 255  # BGR
    cv2.imwrite(str(path), content)
    recipe = Recipe((), tmp_path / "val.json", colour=0.0, input=SIZE, empty=1.0)

    def views(*box):
        one = Picture(path, 200, 100, (Instance(box, 0, None, False),))
        return [sample(one, recipe, np.random.default_rng(seed)) for seed in range(20)]

    for seen in views(10, 20, 60, 80):
        red = seen.rgb[..., 0].astype(int) - seen.rgb[..., 1]
        assert len(seen.boxes) == 0 and red.max() < 100 and abs(np.median(seen.rgb) - 90) < 3
    assert all(len(seen.boxes) for seen in views(0, 0, 200, 100))  # nothing is between: a view like any other


def test_masks_come_as_polygons_and_as_both_kinds_of_rle():
    wanted = np.zeros((8, 10), np.uint8)
    wanted[2:6, 3:7] = 1
    polygon, counts = [[3, 2, 7, 2, 7, 6, 3, 6]], [26, 4, 4, 4, 4, 4, 4, 4, 26]
    assert (decode(polygon, 10, 8) == wanted).mean() > 0.9
    assert (decode({"size": [8, 10], "counts": counts}, 10, 8) == wanted).all()


def break_picture(content):
    content["images"][3]["file_name"] = "gone.jpg"


def break_category(content):
    content["annotations"][2]["category_id"] = 77


def break_mask(content):
    content["annotations"][1]["segmentation"] = [[5, 5, 5, 5, 5, 5]]


def break_box(content):
    content["annotations"][0]["bbox"] = [450, 10, 100, 20]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (break_picture, "1 × missing picture (first: gone.jpg)"),
        (break_category, "1 × unknown category (first: annotations[2], category 77)"),
        (break_mask, "1 × empty mask (first: annotations[1])"),
        (break_box, "1 × box outside its picture (first: annotations[0])"),
    ],
)
def test_what_is_wrong_with_a_set_is_counted_before_training(change, said, fruit, recipe, capsys):
    content = json.loads((fruit / "train.json").read_text())
    change(content)
    (fruit / "broken.json").write_text(json.dumps(content))
    (fruit / "broken").exists() or (fruit / "broken").symlink_to(fruit / "train")
    path = recipe("broken")
    path.write_text(path.read_text().replace("train.json", "broken.json"))
    assert main(["train", str(path), "--out", str(fruit / "never")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (fruit / "never").exists()
    read, note = read_pictures([fruit / "broken.json"], ("apple", "banana"), leave_out=True)
    assert said in note and len(read) >= 11


@pytest.mark.parametrize(
    ("entry", "said"),
    [("iteratoins = 3", "iteratoins"), ("rate = 0", "rate"), ('input = "100x100"', "multiple of 64"), ("batch = 1.5", "batch"),
     ("iterations = 0", "quantised"), ("quantised = -1", "quantised"), ("scale = [2, 1]", "scale"),
     ('classes = ["apple", "pear"]', "pear"), ('start = "none.safetensors"', "none.safetensors")],
)  # fmt: skip
def test_a_wrong_recipe_is_one_sentence(entry, said, fruit, capsys):
    path = fruit / "wrong.toml"
    path.write_text(f'train = "train.json"\nval = "val.json"\n{entry}\n')
    assert main(["train", str(path), "--out", str(fruit / "never")]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (fruit / "never").exists()


def test_a_val_set_of_other_classes_is_found_before_training(fruit, recipe, capsys):
    content = json.loads((fruit / "val.json").read_text())
    content["categories"][0]["name"] = "pear"
    (fruit / "other.json").write_text(json.dumps(content))
    path = recipe("other")
    path.write_text(path.read_text().replace("val.json", "other.json"))
    assert main(["train", str(path), "--out", str(fruit / "never")]) == 2
    error = capsys.readouterr().err
    assert "other.json has no category 'apple'" in error and error.count("\n") == 1 and not (fruit / "never").exists()


@pytest.mark.train
def test_imagenet_weights_are_those_the_first_model_began_with(shared):
    """The stem and first blocks of person_v1 were frozen; float16 in the file."""
    given, first = starting_network("imagenet", 1, 0)[0].state_dict(), load_file(shared / "models" / "person_v1.safetensors")
    frozen = [key for key in first if key.startswith(("backbone.stem.", *(f"backbone.blocks.{index}." for index in range(3))))]
    assert len(frozen) == 45
    for key in frozen:
        torch.testing.assert_close(given[key], first[key].float(), rtol=1e-3, atol=1e-5)


@pytest.mark.train
def test_a_killed_run_goes_on_to_the_same_losses(fruit, recipe):
    straight, cut = fruit / "straight", fruit / "cut"
    command = [sys.executable, "-m", "edgemask", "train", str(recipe("forty", iterations=40, save_minutes=0.01)), "--out"]
    subprocess.run([*command, str(straight)], check=True, capture_output=True)
    with subprocess.Popen([*command, str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (cut / "last.pt").exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    done = subprocess.run([*command, str(cut)], check=True, capture_output=True, text=True)
    assert 0 < int(done.stdout.split("goes on from iteration ")[1].split()[0]) < 20
    one, other = (rows(folder / "losses.csv")[-1] for folder in (straight, cut))  # the means of iterations 21 to 40
    assert one["iteration"] == other["iteration"] == "40"
    for name, value in one.items():
        assert float(other[name]) == pytest.approx(float(value), rel=1e-3, abs=1e-5), name
    for name in ("best.safetensors", "last.safetensors", "accuracy.csv", "curves.png"):
        assert (cut / name).stat().st_size > 0


@pytest.mark.train
def test_two_processes_share_a_batch(fruit, recipe):
    path = recipe("two", iterations=4)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "edgemask"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "train", str(path), "--workers", "0", "--out", str(fruit / "two")],
                          capture_output=True, text=True, env=environment)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("wrote ") == 1 and (fruit / "two" / "best.safetensors").exists()


def test_a_folder_of_another_run_is_left_alone(fruit, recipe, capsys):
    out = fruit / "mine"
    assert main(["train", str(recipe("mine", iterations=2)), "--workers", "0", "--out", str(out)]) == 0
    before = (out / "last.pt").read_bytes()
    assert main(["train", str(recipe("mine", iterations=3)), "--workers", "0", "--out", str(out)]) == 2
    assert "another recipe" in capsys.readouterr().err and (out / "last.pt").read_bytes() == before


def test_heads_alone_leave_the_trunk_and_the_body_head_as_they_are(fruit, recipe, checkpoint):
    out = fruit / "heads"
    assert main(["train", str(recipe("heads", iterations=2, heads="true")), "--workers", "0", "--out", str(out)]) == 0
    before, after = load_file(checkpoint), load_file(out / "best.safetensors")
    assert set(after) == set(before)
    moved = {key.split(".")[0] for key in after if after[key].shape != before[key].shape or not torch.equal(after[key], before[key])}
    assert moved == {"box", "mask"}


@pytest.mark.train
def test_two_classes_are_learned(tmp_path, checkpoint, capsys):
    """The miniature of README's fruit: fewer pictures, a smaller input, minutes."""
    assert example.main([str(tmp_path), "--train", "150", "--val", "40", "--classes", "apple,banana"]) == 0
    (tmp_path / "recipe.toml").write_text(
        f'train = "train.json"\nval = "val.json"\nstart = "{checkpoint}"\ninput = "128x128"\niterations = 700\nwarmup = 50\n'
        "rate = 1e-3\n"
    )
    command = [sys.executable, "-m", "edgemask", "train", str(tmp_path / "recipe.toml"), "--out", str(tmp_path / "run")]
    subprocess.run(command, check=True)  # a process of its own, whose threads do not spin
    last = rows(tmp_path / "run" / "accuracy.csv")[-1]
    print(last)
    assert float(last["mask AP50"]) >= 80
    bundle = tmp_path / "fruit.edgemask"
    command = ["convert", str(tmp_path / "run" / "best.safetensors"), "--calibration", str(tmp_path / "train.json")]
    assert main([*command, "--input", "128x128", "--val", str(tmp_path / "val.json"), "-o", str(bundle)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(bundle), "--coco", str(tmp_path / "val.json"), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"].values()
    assert result["mask"]["AP50"] >= 78
