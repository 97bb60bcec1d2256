"""Rendered people: poses within limits, labels exact to the pixel, a command that goes on where it stopped."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edgemask import rle
from edgemask.convert.body import poses, render, sheet

SEED = 11


@pytest.fixture(scope="session")
def body():
    for library in ("anny", "moderngl", "scipy"):
        pytest.importorskip(library, reason=f"drawing people needs {library}: pip install 'edgemask[body]'")
    from edgemask.convert.body import draw
    from edgemask.errors import MissingLibrary

    try:
        draw.context().release()
    except MissingLibrary as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def made(body, tmp_path_factory):
    """A small set, and its scenes drawn once more."""
    from edgemask.convert.body import batch

    folder = tmp_path_factory.mktemp("people") / "set"
    assert render.main([str(folder), "--people", "8", "--seed", str(SEED), "--workers", "1"]) == 0
    work = batch.Work(folder, SEED, tuple(poses.FAMILIES), None)
    return folder, [(scene, drawn) for _, scene, drawn in batch.scenes(work, 0)]


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("family", poses.FAMILIES)
def test_sampled_angles_stay_within_the_joints_limits(family):
    for seed in range(200):
        for joint, angle in poses.sample(np.random.default_rng(seed), family).items():
            low, high = poses.LIMITS.get(joint.removesuffix(".L").removesuffix(".R"), (-180, 180))
            assert low <= angle <= high, joint


@pytest.mark.parametrize("family", poses.FAMILIES)
def test_tables_name_real_joints_and_stay_within_limits(family):
    for table in poses.FAMILIES[family]:
        for key, (low, high) in table.items():
            joint = key.removesuffix(" near").removesuffix(" far")
            assert joint in poses.RELAXED and low <= high
            assert joint.startswith("root") or poses.LIMITS[joint][0] <= low and high <= poses.LIMITS[joint][1], key


def refused(capsys, *arguments):
    assert render.main([*arguments]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("edgemask: ") and "\n" not in said and "Traceback" not in said
    return said


def test_wrong_inputs_end_with_one_sentence(tmp_path, capsys):
    assert "'flying'" in refused(capsys, str(tmp_path / "a"), "--poses", "standing,flying")
    assert "at least 1" in refused(capsys, str(tmp_path / "a"), "--people", "-5")
    assert "at least 1" in refused(capsys, str(tmp_path / "a"), "--workers", "0")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    assert "something else" in refused(capsys, str(tmp_path / "full"))
    assert "is a file" in refused(capsys, str(tmp_path / "full" / "thesis.txt"))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    assert not (tmp_path / "a").exists()


def test_a_finished_folder_is_not_taken_for_another_seed(tmp_path, capsys):
    ours = tmp_path / "people.parts" / "settings.json"
    ours.parent.mkdir()
    ours.write_text(json.dumps({"version": 1, "seed": 3}))
    assert "another seed" in refused(capsys, str(tmp_path), "--seed", "4")


@pytest.mark.parametrize("content, why", [
    ("{", "no COCO file"), ('{"images": []}', "no COCO file"), ('[1]', "no COCO file"),
    ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [{"image_id": 1}]}', "somebody in every picture"),
    ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}', "a.jpg is missing"),
])  # fmt: skip
def test_wrong_backgrounds_end_with_one_sentence(tmp_path, capsys, content, why):
    (tmp_path / "train.json").write_text(content)
    assert why in refused(capsys, str(tmp_path / "out"), "--backgrounds", str(tmp_path / "train.json"))
    assert not (tmp_path / "out").exists()


def test_a_sheet_wants_a_dense_label_set(tmp_path, capsys):
    (tmp_path / "train.json").write_text('{"images": [{"id": 1}], "annotations": []}')
    assert sheet.main([str(tmp_path / "train.json"), str(tmp_path / "sheet.png")]) == 2
    assert "no dense label set" in capsys.readouterr().err


def test_without_egl_one_sentence_names_the_packages():
    pytest.importorskip("moderngl")
    code = "import edgemask.convert.body.draw as draw\ntry: draw.context()\nexcept ImportError as error: print(error)"
    nowhere = {**os.environ, "__EGL_VENDOR_LIBRARY_DIRS": "/nowhere"}
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=nowhere).stdout
    assert said == "drawing people needs EGL: apt install libegl1 libgl1-mesa-dri libgles2\n"


def unprojected(scene, drawn):
    """Of each labelled pixel how far from its centre the surface point lands that (part, U, V) names: float [N], by a search in
    the charts alone."""
    from scipy.spatial import cKDTree

    from edgemask.convert.body.atlas import Atlas
    from edgemask.convert.body.scene import shown

    atlas, off = Atlas.load(), []
    for number, (vertices, *_) in enumerate(shown(scene), 1):
        for part in np.unique(drawn.part[drawn.who == number]):
            rows, columns = np.nonzero((drawn.who == number) & (drawn.part == part))
            want = np.column_stack([drawn.u[rows, columns], drawn.v[rows, columns]]).astype(float)
            chart = np.flatnonzero(
                (atlas.part == part) & (area(atlas.uv.astype(float)) > 1e-12)
            )  # The mouth's inside is one point.
            triangles = atlas.uv[chart].astype(float)
            near = cKDTree(triangles.mean(1)).query(want, k=min(96, len(chart)))[1]
            share = barycentric(triangles[near], want[:, None])
            points = (share[..., None] * vertices[atlas.faces[chart[near]]].astype(float)).sum(-2)
            places, depth = scene.camera.project(points)
            # Eyeballs and tongue share the chart of the skin before them: what is nearest of them is what was seen.
            best = np.where(share.min(-1) > -1e-3, depth, 1e3 - share.min(-1)).argmin(1)
            places = places[np.arange(len(want)), best]
            off.append(np.linalg.norm(places - np.column_stack([columns, rows]) - 0.5, axis=1))
    return np.concatenate(off) if off else np.zeros(0)


def cross(one, other):
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def area(triangle):
    return np.abs(cross(triangle[..., 1, :] - triangle[..., 0, :], triangle[..., 2, :] - triangle[..., 0, :])) / 2


def barycentric(triangle, point):
    a, b, c = np.moveaxis(triangle, -2, 0)
    whole = cross(b - a, c - a)
    one, other = cross(point - a, c - a) / whole, cross(b - a, point - a) / whole
    return np.stack([1 - one - other, one, other], -1)


@pytest.mark.body
def test_labels_name_the_surface_point_that_was_drawn(made):
    off = np.concatenate([unprojected(scene, drawn) for scene, drawn in made[1]])
    assert len(off) > 20000
    assert (off < 1).mean() >= 0.999


@pytest.mark.body
def test_labels_that_are_shifted_would_be_noticed(made):
    scene, drawn = max(made[1], key=lambda pair: (pair[1].who > 0).sum())
    wrong = dataclasses.replace(drawn, u=drawn.u * 0.97, v=drawn.v)
    assert (unprojected(scene, wrong) < 1).mean() < 0.9


@pytest.mark.body
def test_masks_are_the_union_of_the_parts_and_files_say_what_was_drawn(made):
    folder, drawn = made
    coco = json.loads((folder / "people.json").read_text())
    for image, (scene, one) in zip(coco["images"], drawn):
        iuv = cv2.imread(str(folder / image["iuv"]))[..., ::-1]
        assert (
            iuv.shape[:2]
            == (image["height"], image["width"])
            == cv2.imread(str(folder / "people" / image["file_name"])).shape[:2]
        )
        masks = [rle.decode(person["segmentation"]) for person in coco["annotations"] if person["image_id"] == image["id"]]
        assert (sum(masks, np.zeros(iuv.shape[:2], int)) == (iuv[..., 0] > 0)).all()
        assert (iuv[..., 0] == one.part).all() and (one.part[one.who > 0] > 0).all()
        assert (
            np.abs(iuv[..., 1] / 255 - one.u).max() < 0.5 / 255 + 1e-6
            and np.abs(iuv[..., 2] / 255 - one.v).max() < 0.5 / 255 + 1e-6
        )


@pytest.mark.body
def test_annotations_are_coco_s_own(made):
    coco = json.loads((made[0] / "people.json").read_text())
    assert len(coco["annotations"]) >= 8 and len({one["id"] for one in coco["annotations"]}) == len(coco["annotations"])
    for one in coco["annotations"]:
        mask, (x, y, width, height) = rle.decode(one["segmentation"]), one["bbox"]
        assert mask.sum() == one["area"] == mask[y : y + height, x : x + width].sum()
        points = np.array(one["keypoints"]).reshape(17, 3)
        assert one["num_keypoints"] == (points[:, 2] > 0).sum() and (points[points[:, 2] == 0] == 0).all()


@pytest.mark.body
def test_keypoints_that_are_seen_lie_on_their_person(made):
    """Joints lie under the skin, so a seen one's pixel is the person's; a face or a limb's joint at an outline may miss by a
    pixel or two."""
    on, seen = 0, 0
    from edgemask.convert.body import annotate

    for scene, drawn in made[1]:
        for number in range(len(scene.bodies)):
            mask = cv2.dilate((drawn.who == number + 1).astype(np.uint8), np.ones((5, 5)))
            for x, y, visible in annotate.keypoints(scene, drawn, number):
                seen, on = seen + (visible == 2), on + (visible == 2 and mask[int(y), int(x)])
    assert seen > 50 and on >= 0.98 * seen


@pytest.mark.body
def test_nobody_s_limbs_run_through_each_other(body):
    from edgemask.convert.body import people, skeleton

    everybody = people.bodies([people.sample(np.random.default_rng(seed), tuple(poses.FAMILIES)) for seed in range(64)])
    assert max(one.overlap for one in everybody if not one.still) < skeleton.DEPTH
    assert sum(one.still for one in everybody) <= 6
    assert all(abs(one.vertices[:, 2].min()) < 1e-6 for one in everybody)


@pytest.mark.body
def test_long_hair_falls_down_the_back_and_fills_the_neck(body):
    from edgemask.convert.body import look
    from edgemask.convert.body.surface import Surface

    surface, random = Surface.load(), np.random.default_rng(0)
    some = dataclasses.replace(look.sample(random, {"gender": 0.9, "age": 0.7}), hair=True, wide=0.1, full=0.04, drapes=False)
    x, y, z = surface.rest.T
    trunk = (z > 0.2) & (z < 0.4) & (surface.zone[:, 0] == 0) & (np.abs(x) < 0.05)
    neck = (np.abs(z - 0.55) < 0.01) & (surface.zone[:, 0] == 0)
    hair, width = {}, {}
    for long in (0.1, 0.6):
        drawn, _, extra = surface.dress(surface.rest, dataclasses.replace(some, long=long))
        hair[long] = [(extra[trunk & (side * y > 0.05), 0] > 0).mean() for side in (-1, 1)]
        width[long] = np.ptp(drawn[neck, 0])
    assert hair == {0.1: [0, 1], 0.6: [0, 0]} and width[0.1] > width[0.6] + 0.03


@pytest.mark.body
def test_the_same_seed_gives_the_same_bytes_whole_or_in_two_goes(made, capsys):
    folder = made[0]
    before = digests(folder)
    again = folder.with_name("again")
    assert render.main([str(again), "--people", "1", "--seed", str(SEED), "--workers", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (
        result["people"] >= 1
        and result["peak_mib"] > 0
        and set(result["cpu_s"]) == {"bodies", "scenes", "drawing", "camera", "writing"}
    )
    (again / "people.parts" / "00000.json").unlink()
    (again / "people" / "000003.jpg").write_bytes(b"half")
    assert render.main([str(again), "--people", "8", "--seed", str(SEED), "--workers", "1"]) == 0
    assert digests(again) == before
    times = {path: path.stat().st_mtime_ns for path in (again / "people").iterdir()}
    assert render.main([str(again), "--people", "8", "--seed", str(SEED), "--workers", "1"]) == 0
    assert times == {path: path.stat().st_mtime_ns for path in (again / "people").iterdir()}


@pytest.mark.body
def test_a_sheet_shows_the_people(made):
    path = made[0].with_name("sheet.png")
    assert sheet.main([str(made[0] / "people.json"), str(path), "--people", "8"]) == 0
    drawn = cv2.imread(str(path))
    assert drawn.shape == (2 * sheet.CELL, 16 * sheet.CELL, 3) and drawn.std() > 10
