"""The body atlas as shipped; what needs the body itself skips without anny."""

import base64
import subprocess
import sys

import cv2
import numpy as np
import pytest

from edgemask.convert.body.atlas import Atlas, mirrored
from edgemask.parts import MIRROR, NAMES

LIMBS = {
    "upper_leg": ("upperleg01", "lowerleg01"), "lower_leg": ("lowerleg01", "foot"),
    "upper_arm": ("upperarm01", "lowerarm01"), "lower_arm": ("lowerarm01", "wrist"),
    "hand": ("wrist", "finger3-3"), "foot": ("foot", "toe2-3"),
}  # fmt: skip
SIZE = 256


@pytest.fixture(scope="module")
def atlas():
    return Atlas.load()


def test_every_triangle_has_one_of_24_parts_and_every_vertex_with_it(atlas):
    assert atlas.faces.shape == (27420, 3) and atlas.uv.shape == (27420, 3, 2)
    assert (atlas.faces.dtype, atlas.part.dtype, atlas.uv.dtype) == (np.int32, np.uint8, np.float32)
    assert set(atlas.part) == set(range(1, 25))
    assert np.array_equal(np.unique(atlas.faces), np.arange(13718))
    assert atlas.uv.min() == 0 and atlas.uv.max() == 1


def test_names_and_numbers_are_densepose_s():
    assert NAMES[1:7] == ("torso_back", "torso_front", "right_hand", "left_hand", "left_foot", "right_foot")
    assert (NAMES[7], NAMES[10], NAMES[15], NAMES[18]) == (
        "right_upper_leg_back", "left_upper_leg_front", "left_upper_arm_inner", "right_upper_arm_outer",
    )  # fmt: skip
    for part, name in enumerate(NAMES):
        turned = name.replace("left", "?").replace("right", "left").replace("?", "right")
        assert NAMES[MIRROR[part]] == turned and MIRROR[MIRROR[part]] == part


def test_no_chart_overlaps_itself(atlas):
    """On the skin: all triangles of a part turn one way, and no texel's middle is in two."""
    skin = _skin(atlas)
    for part in range(1, 25):
        uv = atlas.uv[skin & (atlas.part == part)].astype(np.float64)
        turn = np.linalg.det(uv[:, 1:] - uv[:, :1])
        assert (turn > 0).all() or (turn < 0).all(), NAMES[part]
        covered = _covered(uv)
        assert covered.max() == 1, f"{NAMES[part]}: {(covered > 1).sum()} texels with two places"
        assert np.isclose(covered.mean(), np.abs(turn).sum() / 2, atol=0.005), "the area says what the texels say"


@pytest.mark.body
def test_a_texel_is_a_small_place(atlas, mesh):
    """A step of 1/255 in U or V, what an 8-bit label can say, is 3 mm for most of the skin and never 15."""
    from edgemask.convert.body.chart import jacobians

    seen = ~mesh.inner
    step = np.linalg.svd(jacobians(mesh.vertices[mesh.faces[seen]], atlas.uv[seen].astype(float)), compute_uv=False)[:, 0] / 255
    share = mesh.areas[seen] / mesh.areas[seen].sum()
    assert share[step > 0.004].sum() < 0.03 and share[step > 0.006].sum() < 0.005
    assert step.max() < 0.015


@pytest.mark.body
def test_left_is_right_mirrored_to_the_bit(atlas, mesh):
    assert np.array_equal(mesh.faces, atlas.faces)
    right = np.flatnonzero(mesh.centres[:, 0] < 0)
    left, corners = mesh.twins(right)
    assert len(set(left) | set(right)) == len(atlas.faces)
    assert np.abs(mesh.vertices[mesh.mirror] * [-1, 1, 1] - mesh.vertices).max() < 1e-5
    uv = atlas.uv[right[:, None], corners]
    part, u, v = mirrored(atlas.part[right, None], uv[..., 0], uv[..., 1])
    assert np.array_equal(np.broadcast_to(atlas.part[left, None], part.shape), np.broadcast_to(part, part.shape))
    assert np.array_equal(atlas.uv[left, :, 0], u) and np.array_equal(atlas.uv[left, :, 1], v)


def test_charts_and_parts_hang_together(atlas):
    """One piece of skin each; within it every edge has one place in the chart, but for the cuts in hands and feet."""
    from edgemask.convert.body.mesh import connected

    skin = _skin(atlas)
    for part in range(1, 25):
        ours = skin & (atlas.part == part)
        assert connected(atlas.faces[ours]).max() == 0, NAMES[part]
        if part not in (3, 4, 5, 6):
            places = np.unique(np.column_stack([atlas.faces[ours].ravel(), atlas.uv[ours].reshape(-1, 2)]), axis=0)
            assert len(places) == len(np.unique(atlas.faces[ours])), NAMES[part]


@pytest.mark.body
def test_v_runs_along_limbs_from_the_trunk_and_down_torso_and_head(atlas, mesh):
    for part in range(1, 25):
        ours = ~mesh.inner & (atlas.part == part)
        points, v = mesh.centres[ours], atlas.uv[ours][..., 1].mean(axis=1)
        along = np.array([0, 0, -1.0])
        for limb, (start, end) in LIMBS.items():
            if limb in NAMES[part]:
                side = "R" if NAMES[part].startswith("right") else "L"
                along = mesh.joints[f"{end}.{side}"] - mesh.joints[f"{start}.{side}"]
        (there, both), (_, here) = np.cov(points @ along, v, aweights=mesh.areas[ours])
        assert both / np.sqrt(there * here) > 0.9, NAMES[part]


@pytest.mark.body
def test_front_back_inner_outer_left_and_right_are_where_they_say(atlas, mesh):
    """By the triangles' own normals, areas weighed: front looks to −y, the palm's side to where the palms look."""
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    mean = {part: normals[~mesh.inner & (atlas.part == part)].sum(axis=0) for part in range(1, 25)}
    for part, name in enumerate(NAMES[1:], 1):
        if "front" in name or "back" in name:
            assert (mean[part][1] < 0) == ("front" in name), name
        if "left" in name or "right" in name:
            assert (mesh.centres[atlas.part == part, 0].mean() > 0) == ("left" in name), name
        if "inner" in name or "outer" in name:
            side = "R" if "right" in name else "L"
            wrist, index, little = (mesh.joints[f"{bone}.{side}"] for bone in ("wrist", "finger2-1", "finger5-1"))
            palm = np.cross(index - wrist, little - wrist) * (1 if "right" in name else -1)
            assert (mean[part] @ palm > 0) == ("inner" in name), name


@pytest.mark.body
def test_making_it_again_gives_the_same(atlas, mesh):
    from edgemask.convert.body import make_atlas

    made = make_atlas.make(mesh)
    assert np.array_equal(made["part"], atlas.part) and np.abs(made["uv"] - atlas.uv).max() < 1e-3


def test_a_disk_with_a_hole_is_refused():
    from edgemask.convert.body.chart import rim

    near, far = np.arange(6), np.arange(6) + 6
    ring = np.concatenate([np.stack([near, np.roll(near, -1), far], 1), np.stack([np.roll(near, -1), np.roll(far, -1), far], 1)])
    with pytest.raises(ValueError, match="no disk"):
        rim(ring)


def test_a_grid_is_flattened_onto_itself():
    from edgemask.convert.body.chart import flatten, rim

    side = 6
    at = np.stack(np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side)), axis=-1).reshape(-1, 2)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    halves = (corner, corner + 1, corner + side), (corner + 1, corner + side + 1, corner + side)
    faces = np.concatenate([np.stack(half, axis=1) for half in halves])
    loop = rim(faces)
    flat = flatten(np.column_stack([at, 0 * at[:, 0]]), faces, loop, at[loop], np.ones(len(faces)))
    assert np.allclose(flat, at, atol=1e-9)


@pytest.mark.body
def test_the_page_shows_it_and_says_whose_charts_they_are(mesh, atlas, tmp_path):
    from edgemask.convert.body import page

    page.write(tmp_path / "atlas.html", mesh.vertices, atlas)
    html = (tmp_path / "atlas.html").read_text()
    assert "same numbering as DensePose, our own charts" in html and html.count("<li>") == 24
    png = base64.b64decode(html.split("base64,")[1].split('"')[0])
    rows = np.split(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), 3)
    assert len(np.unique(rows[0].reshape(-1, 3), axis=0)) > 24
    assert all((row < 255).any(axis=2).mean() > 0.05 for row in rows)


def test_without_anny_one_sentence_and_exit_code_2(tmp_path):
    program = "import runpy, sys\nsys.modules['anny'] = None\nrunpy.run_module('edgemask.convert.body.atlas', run_name='__main__')"
    arguments = ["--page", str(tmp_path / "a.html")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.strip().splitlines()[-1].endswith("pip install 'edgemask[body]'")
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def _skin(atlas):
    """All but eyeballs and tongue, which hang on nothing."""
    from edgemask.convert.body.mesh import connected

    solid = connected(atlas.faces)
    return solid == np.bincount(solid).argmax()


def _covered(uv):
    """How many triangles [N, 3, 2] cover the middle of each texel, [256, 256]; an independent, brute-force raster."""
    covered = np.zeros((SIZE, SIZE), int)
    for triangle in uv * SIZE - 0.5:
        low = np.ceil(triangle.min(axis=0)).astype(int).clip(0)
        high = np.floor(triangle.max(axis=0)).astype(int).clip(max=SIZE - 1)
        if (low > high).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        a, b, c = (_side(triangle[k], triangle[(k + 1) % 3], x, y) for k in range(3))
        # Strictly inside: a middle right on an edge is in neither triangle, never in two.
        covered[low[1] : high[1] + 1, low[0] : high[0] + 1] += ((a > 0) & (b > 0) & (c > 0)) | ((a < 0) & (b < 0) & (c < 0))
    return covered


def _side(start, end, x, y):
    return (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])
