"""Body parts measured: against the model's own answer, and against truths that are wrong by a known amount."""

import json

import cv2
import numpy as np
import pytest

import edgemask
from edgemask import keypoints, rle
from edgemask.bundle import SHIPPED
from edgemask.cli import main
from edgemask.evaluate import difference
from edgemask.evaluate_dense import COUNTS, DenseEvaluation, evaluate_dense
from edgemask.parts import MIRROR, NAMES

KEYPOINTS = ["nose", "left_elbow", "right_wrist"]


@pytest.fixture(scope="module")
def seeing():
    return edgemask.load(threads=1, dense=True)


@pytest.fixture(scope="module")
def best(seeing, astronaut):
    return seeing(astronaut)[:1]


def unchanged(iuv, annotation):
    pass


@pytest.fixture
def own(tmp_path, astronaut_path, best):
    """`own(change)` writes a set whose truth is the model's answer after `change(iuv, annotation)`; its path."""

    def write(change=unchanged, **image):
        record, iuv = best.coco()[0], best.iuv()
        annotation = {"image_id": 5, "category_id": 9, "bbox": record["bbox"], "segmentation": record["segmentation"]}
        change(iuv, annotation)
        picture = {"id": 5, "file_name": str(astronaut_path), "width": 512, "height": 512, "iuv": "iuv.png", **image}
        content = {
            "images": [{key: value for key, value in picture.items() if value is not None}], "annotations": [annotation],
            "categories": [{"id": 9, "name": "person", "keypoints": KEYPOINTS}],
        }  # fmt: skip
        cv2.imwrite(str(tmp_path / "iuv.png"), iuv[..., ::-1])
        (tmp_path / "set.json").write_text(json.dumps(content))
        return tmp_path / "set.json"

    return write


def figures(model, path):
    return {kind: one["value"] for kind, one in evaluate_dense(model, path).summary["figures"].items()}


def test_truth_that_is_the_models_own_answer_is_all_right(seeing, own, best):
    summary = evaluate_dense(seeing, own()).summary
    assert {kind: one["value"] for kind, one in summary["figures"].items()} == {"part mIoU": 100, "|ΔU|": 0, "|ΔV|": 0}
    assert summary["people"] == summary["found"] == 1 and summary["keypoints"] == {}
    assert set(summary["parts"]) == {NAMES[part] for part in np.unique(best.iuv()[..., 0]) if part}


def test_u_and_v_off_by_a_known_amount(seeing, own):
    def off(iuv, annotation):
        # Away from the nearer end, so that nothing is cut off.
        for channel, step in ((1, 25), (2, 10)):
            values = iuv[..., channel].astype(int)
            iuv[..., channel] = np.where(iuv[..., 0] > 0, np.where(values < 128, values + step, values - step), 0)

    found = figures(seeing, own(off))
    assert found["part mIoU"] == 100
    assert found["|ΔU|"] == pytest.approx(100 * 25 / 255, abs=0.01) and found["|ΔV|"] == pytest.approx(100 * 10 / 255, abs=0.01)


def test_mean_iou_is_that_of_the_parts_pixels(seeing, own, best):
    def mirror_below(iuv, annotation):
        iuv[300:, :, 0] = np.array(MIRROR, np.uint8)[iuv[300:, :, 0]]

    seen = best.iuv()[..., 0]
    truth = seen.copy()
    truth[300:] = np.array(MIRROR, np.uint8)[seen[300:]]
    ious = [((truth == part) & (seen == part)).sum() / ((truth == part) | (seen == part)).sum() for part in range(1, 25)
            if (truth == part).any() or (seen == part).any()]  # fmt: skip
    found = figures(seeing, own(mirror_below))
    assert found["part mIoU"] == pytest.approx(100 * np.mean(ious), abs=0.01) and 20 < found["part mIoU"] < 95
    assert found["|ΔU|"] == 0


def test_what_the_mask_holds_unlabelled_is_left_out_and_what_lies_beyond_it_counts(seeing, own):
    def unlabelled(iuv, annotation):
        iuv[300:] = 0

    def beyond(iuv, annotation):
        mask = rle.decode(annotation["segmentation"])
        mask[300:] = False
        annotation["segmentation"] = rle.encode(mask, (512, 512))

    assert figures(seeing, own(unlabelled))["part mIoU"] == 100
    assert figures(seeing, own(beyond))["part mIoU"] < 90


def test_keypoints_lie_in_parts_that_may_be_there(seeing, own, best):
    parts = best.iuv()[..., 0]
    elbow, head = (np.argwhere(np.isin(parts, list(keypoints.ALLOWED[name]))) for name in ("right_elbow", "nose"))
    assert len(elbow) and len(head)

    def marked(iuv, annotation):
        points = [(*head[0][::-1], 2), (*elbow[0][::-1], 2), (0, 0, 2)]
        annotation["keypoints"] = [int(value) for point in points for value in point]

    summary = evaluate_dense(seeing, own(marked, iuv=None)).summary
    assert set(summary["figures"]) == {"keypoint in part", "keypoint in part of any side"}
    assert summary["keypoints"]["left_elbow"] == {"visible": 1, "seen": 1, "right": 0, "any_side": 1, "low": 0.0, "high": 79.35}
    assert summary["keypoints"]["right_wrist"]["any_side"] == 0  # it lies outside the mask
    assert summary["keypoints"]["nose"]["right"] == 1


@pytest.mark.parametrize(
    ("turned", "right"), [(False, {"seen from the front, shows its front": 100}), (True, {"seen from behind, shows its back": 0})]
)
def test_which_side_of_somebody_is_shown(seeing, own, best, turned, right):
    """The astronaut shows her front; by keypoints like these she is right, by those of somebody seen from behind wrong."""
    x, y, width, height = best.coco()[0]["bbox"]

    def marked(iuv, annotation):
        points = dict.fromkeys(keypoints.NAMES, (0, 0, 0))
        for name, ends, down in (("shoulder", (0.2, 0.8), 0.4), ("hip", (0.3, 0.7), 0.9)):
            for side, across in zip(("left", "right") if turned else ("right", "left"), ends, strict=True):
                points[f"{side}_{name}"] = x + across * width, y + down * height, 2
        if not turned:
            points |= dict.fromkeys(("nose", "left_eye"), (x + width / 2, y + height / 5, 2))
        annotation["keypoints"] = [float(value) for point in points.values() for value in point]

    path = own(marked, iuv=None)
    content = json.loads(path.read_text())
    content["categories"][0]["keypoints"] = list(keypoints.NAMES)
    path.write_text(json.dumps(content))
    assert {name: value for name, value in figures(seeing, path).items() if "shows" in name} == right


def test_a_draw_without_anybody_from_behind_says_nothing_of_backs():
    """Of two pictures one has somebody from behind, whom one model gets right and the other does not."""

    def evaluation(right):
        counts = {name: np.zeros(size) for name, size in COUNTS.items()}
        counts["sides"][0], counts["sides_right"][0] = 1, right
        row = np.concatenate(list(counts.values()))
        return DenseEvaluation(np.stack([row, np.zeros_like(row)]), {})

    assert difference(evaluation(1), evaluation(0), "seen from behind, shows its back") == (100, 100, 100)


def test_the_allowed_parts_mirror_and_are_those_around_a_joint():
    assert set(keypoints.ALLOWED) == set(keypoints.NAMES)
    for name, parts in keypoints.ALLOWED.items():
        other = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert keypoints.ALLOWED[other] == keypoints.mirrored(parts)
    around = {"right_hand", "right_lower_arm_inner", "right_lower_arm_outer"}
    assert {NAMES[part] for part in keypoints.ALLOWED["right_wrist"]} == around


def test_people_who_are_not_found_are_counted(seeing, own):
    def elsewhere(iuv, annotation):
        annotation["bbox"] = [400, 10, 100, 100]
        annotation["keypoints"] = [410, 20, 2, 0, 0, 0, 420, 30, 1]

    summary = evaluate_dense(seeing, own(elsewhere)).summary
    assert (summary["people"], summary["found"], summary["figures"]) == (1, 0, {})
    assert summary["keypoints"] == {"nose": {"visible": 1, "seen": 0, "right": 0, "any_side": 0, "low": 0.0, "high": 100.0}}


def test_the_command_compares_engines(own, capsys):
    arguments = ["evaluate", str(SHIPPED), "--dense", "--coco", str(own()), "--engine", "all"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["results"]) == 2 and [one["difference"] for one in found["differences"]] == [0, 0, 0]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "1 of 1 people found" in said and "part mIoU" in said and "|ΔV|" in said


def test_a_set_that_says_nothing_of_bodies_is_one_sentence(own, headless, tmp_path, capsys):
    arguments = ["evaluate", str(SHIPPED), "--dense", "--coco"]

    def polygons(iuv, annotation):
        annotation["segmentation"] = [[1, 1, 9, 1, 9, 9]]

    def few(iuv, annotation):
        annotation["keypoints"] = [1, 2, 2]

    def too_many(iuv, annotation):
        iuv[0, 0, 0] = 25

    for change, image, words in (
        (unchanged, {"iuv": None}, "neither IUV pictures"), (polygons, {}, "no compressed RLE"),
        (few, {}, "1 keypoints, not 3"), (too_many, {}, "has a part 25"),
        (unchanged, {"iuv": "none.png"}, "none.png"), (unchanged, {"width": 511}, "511x512"),
    ):  # fmt: skip
        assert main([*arguments, str(own(change, **image))]) == 2, words
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("edgemask: ")]
        assert len(said) == 1 and words in said[0]
    assert main(["evaluate", "--dense", "--coco", str(own()), str(headless)]) == 2
    assert "has no dense head" in capsys.readouterr().err
