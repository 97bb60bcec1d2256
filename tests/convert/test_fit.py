"""Fits: bodies of known pose are found again from their keypoints and masks, and a label set says what was found."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("anny", reason="the body needs anny: pip install 'edgemask[body]'")
torch = pytest.importorskip("torch")

from edgemask import rle  # noqa: E402
from edgemask.convert.body import fit, poses, skeleton, smplify, weak  # noqa: E402
from edgemask.convert.body.model import body_model  # noqa: E402
from edgemask.convert.body.reduced import reduced_body  # noqa: E402
from edgemask.convert.body.targets import FOCAL, Person  # noqa: E402
from edgemask.errors import DatasetError  # noqa: E402

pytestmark = pytest.mark.body
SIZE = 448, 336  # width, height


@pytest.fixture(scope="module")
def renderer():
    from edgemask.convert.body.labels import LabelRenderer

    return LabelRenderer()


def posed(seed, family, degrees):
    """(vertices [V, 3], keypoints [17, 3]) in the camera's axes of one of the renders' poses, turned by degrees."""
    import anny

    parameters = skeleton.pose(poses.sample(np.random.default_rng(seed), family))
    parameters[0, :3, :3] = skeleton.turn(skeleton.Z, degrees) @ parameters[0, :3, :3]
    model = body_model()
    with torch.no_grad():
        found = model(torch.from_numpy(parameters)[None])
        keypoints = anny.KeypointsRegressor.coco(model)(found)[0, :17]
        away = np.array([0.2, 0.05, 3.9])
        return tuple(smplify.to_camera(one).numpy() + away for one in (found["vertices"][0], keypoints))


def pictured(renderer, vertices, keypoints):
    """What an annotator would know of it: Person, and the part image."""
    focal = FOCAL * max(SIZE)
    part, _, _ = renderer(vertices, focal, SIZE)
    pixels = keypoints[:, :2] / keypoints[:, 2:] * focal + np.array(SIZE) / 2 - 0.5
    x, y, width, height = cv2.boundingRect((part > 0).astype(np.uint8))
    return Person(np.column_stack([pixels, np.full(17, 2)]), part > 0, (x, y, width, height)), part


def test_the_reduced_body_has_the_whole_one_s_points_and_keypoints():
    import anny

    body, model = reduced_body(), body_model()
    joints = body.joints
    generator = torch.Generator().manual_seed(0)
    angles = joints.low + (joints.high - joints.low) * torch.rand(3, len(joints.low), generator=generator)
    root, phenotypes = torch.eye(3).repeat(3, 1, 1), torch.rand(3, 6, generator=generator)
    with torch.no_grad():
        points, keypoints = body(root, angles, phenotypes)
        whole = model(body.rotations(root, angles).double(), phenotype_kwargs=phenotypes.double())
        expected = anny.KeypointsRegressor.coco(model)(whole)[:, :17]
    np.testing.assert_allclose(keypoints, expected, atol=1e-5)
    assert torch.cdist(points.double(), whole["vertices"]).min(dim=-1).values.max() < 1e-5


def test_known_poses_are_recovered(renderer):
    known = [posed(1, "standing", 0), posed(2, "walking", 60), posed(3, "standing", 180), posed(4, "reaching", -40)]
    people, parts = zip(*(pictured(renderer, *one) for one in known))
    for pose, part, person in zip(fit.fit_people(list(people)), parts, people):
        quality, iuv = fit.draw(person, pose, renderer)
        assert quality.miss < 0.02 and quality.landed == 1 and quality.iou > 0.85 and quality.good, quality
        both = iuv[..., 0] > 0
        assert both.mean() > 0.8 * (part > 0).mean() and (iuv[..., 0] == part)[both].mean() > 0.75
        assert not iuv[~person.mask].any()


@pytest.mark.parametrize("seed, family, degrees", [(0, "standing", 20), (1, "walking", -30), (5, "reaching", 0)])
def test_weak_labels_hold_on_bodies_whose_parts_are_known(renderer, seed, family, degrees):
    vertices, keypoints = posed(seed, family, degrees)
    person, part = pictured(renderer, vertices, keypoints)
    _, _, truth = renderer(vertices, FOCAL * max(SIZE), SIZE)
    bits, v = weak.labels(person.keypoints, person.mask, np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    stated = bits > 0
    right = (bits >> part) & 1 == 1
    assert stated.sum() > 0.7 * person.mask.sum() and right[stated].mean() > 0.94
    along = ~np.isnan(v) & right
    assert along.sum() > 0.1 * person.mask.sum() and np.abs(v - truth)[along].mean() < 0.09


def test_a_set_of_fits_is_coco_with_labels(tmp_path, renderer, capsys):
    person, _ = pictured(renderer, *posed(1, "standing", 0))
    (tmp_path / "train").mkdir()
    cv2.imwrite(str(tmp_path / "train" / "one.jpg"), np.full((SIZE[1], SIZE[0], 3), 128, np.uint8))
    known = {"image_id": 7, "category_id": 1, "iscrowd": 0, "area": int(person.mask.sum())}
    rows = [{"id": 3, "bbox": list(map(float, person.box)), "segmentation": rle.encode(person.mask, SIZE), "num_keypoints": 17,
             "keypoints": person.keypoints.ravel().tolist(), **known},
            {"id": 4, "bbox": [0, 0, 20, 20], **known}]  # fmt: skip
    content = {"images": [{"id": 7, "file_name": "one.jpg", "width": SIZE[0], "height": SIZE[1]}], "annotations": rows,
               "categories": [{"id": 1, "name": "person"}]}  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps(content))
    assert fit.main([str(tmp_path / "train.json"), str(tmp_path / "out"), "--json"]) == 0
    assert [one["kept"] for one in json.loads(capsys.readouterr().out)["people"]] == [True]
    written = json.loads((tmp_path / "out" / "fits.json").read_text())
    assert [("fit" in one) for one in written["annotations"]] == [True, False]
    iuv = cv2.imread(str(tmp_path / "out" / written["images"][0]["iuv"]))[..., ::-1]
    assert iuv.shape == (SIZE[1], SIZE[0], 3) and set(np.unique(iuv[..., 0])) <= set(range(25))
    assert (tmp_path / "out" / "fits" / "one.jpg").read_bytes() == (tmp_path / "train" / "one.jpg").read_bytes()
    again = [str(tmp_path / "train.json"), str(tmp_path / "again"), "--poses", str(tmp_path / "out" / "poses.npz")]
    assert fit.main(again) == 0 and "kept 1 of 1" in capsys.readouterr().out
    for name in ("fits.json", written["images"][0]["iuv"]):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_a_set_without_people_to_fit_is_an_error(tmp_path, capsys):
    (tmp_path / "train.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    assert fit.main([str(tmp_path / "train.json"), str(tmp_path / "out")]) == 2
    assert "nobody with a mask" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_file_that_holds_no_poses_is_an_error(tmp_path):
    (tmp_path / "poses.npz").write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="no poses.npz"):
        fit.read_poses(tmp_path / "poses.npz")


def test_limbs_hang_on_their_keypoints():
    at = np.zeros(17, bool)
    assert fit._limbs_at(at) == []
    at[weak.WRIST + 1] = True
    assert fit._limbs_at(at) == [3, 20, 22]
