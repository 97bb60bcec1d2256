"""Distances along the skin and the score made of them, against cases whose answer is known."""

import json
import time

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask
from scipy import spatial

import edgemask
from edgemask.convert.body import gps
from edgemask.convert.body.atlas import Atlas, mirrored
from edgemask.convert.body.geodesic import Distances, distances_from, face_at, surface_graph
from edgemask.parts import NAMES

KAPPA = 0.255


@pytest.fixture(scope="module")
def places():
    """2,000 places spread over the seen body: (part, u, v)."""
    atlas = Atlas.load()
    faces = np.random.default_rng(0).permutation(len(atlas.faces))[:2000]
    middle = atlas.uv[faces].mean(axis=1)
    return atlas.part[faces], middle[:, 0], middle[:, 1]


def test_shortest_paths_on_a_plane_and_round_a_ball():
    """Never too short, 1 % too long in the mean, 3 % at most beyond the first rings."""
    random = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 1, 30)), axis=-1).reshape(-1, 2)
    plane = grid + random.normal(0, 0.005, grid.shape)
    index = np.arange(2000) + 0.5
    polar, round_ = np.arccos(1 - index / 1000), np.pi * (1 + 5**0.5) * index
    ball = np.stack([np.cos(round_) * np.sin(polar), np.sin(round_) * np.sin(polar), np.cos(polar)], axis=1)
    flat = np.column_stack([plane, np.zeros(len(plane))])
    for points, faces, exact in (
        (flat, spatial.Delaunay(plane).simplices, np.linalg.norm(flat - flat[435], axis=1)),
        (ball, spatial.ConvexHull(ball).simplices, np.arccos((ball @ ball[435]).clip(-1, 1))),
    ):
        found = distances_from(surface_graph(points, faces), 435, len(points))
        far = exact > 0.2
        error = found[far] / exact[far] - 1
        assert -0.002 < error.min() and error.max() < 0.03 and error.mean() < 0.01


def test_distances_are_a_metric_of_a_body_s_size(places):
    distances = Distances.load()
    assert distances.table.shape == (1200, 1200) and np.array_equal(distances.table, distances.table.T)
    assert (np.diag(distances.table) == 0).all() and 1.7 < distances.table.max() < 2.5, "from crown or finger to a toe"
    other = tuple(np.roll(array, 7) for array in places)
    there, back = distances(places, other), distances(other, places)
    assert np.array_equal(there, back) and (distances(places, places) == 0).all()
    straight = np.linalg.norm(distances.places[face_at(*places)].astype(float) - distances.places[face_at(*other)], axis=1)
    assert (there >= straight - 1e-3).all(), "no way along the skin is shorter than through the air"
    twins = distances(mirrored(*places), mirrored(*other))
    assert np.abs(twins - there).max() < 0.04 and np.abs(twins - there).mean() < 0.001, "left is as long as right"


@pytest.mark.body
def test_distances_against_dijkstra_on_the_whole_mesh(mesh):
    """Independent of samples and lookup: from twelve triangles' corners to every other triangle's."""
    distances = Distances.load()
    graph = surface_graph(mesh.vertices, mesh.faces[mesh.skin])
    seen = np.flatnonzero(~mesh.inner)
    errors = []
    for face in np.random.default_rng(1).choice(seen, 12):
        exact = distances_from(graph, mesh.faces[face, 0], len(mesh.vertices))[mesh.faces[seen, 0]]
        errors.append(distances(_middle(np.full(len(seen), face)), _middle(seen)) - exact)
    errors = np.abs(np.concatenate(errors))
    print(f"|error| mean {1e3 * errors.mean():.1f} mm, 95 % {1e3 * np.quantile(errors, 0.95):.1f}, most {1e3 * errors.max():.1f}")
    assert errors.mean() < 0.02 and np.quantile(errors, 0.95) < 0.05


def _middle(faces):
    atlas = Atlas.load()
    uv = atlas.uv[faces].mean(axis=1)
    return atlas.part[faces], uv[:, 0], uv[:, 1]


def test_a_hundred_thousand_places_are_looked_up_in_seconds(places):
    many = tuple(np.tile(array, 50) for array in places)
    Distances.load()(places, places)
    start = time.process_time()
    assert Distances.load()(many, tuple(np.roll(array, 1) for array in many)).shape == (100_000,)
    assert time.process_time() - start < 5


def test_places_come_back_as_the_triangle_they_are_in(places):
    assert np.array_equal(Atlas.load().part[face_at(*places)], places[0])
    assert face_at(np.array([0]), np.array([0.5]), np.array([0.5])).tolist() == [-1]
    with pytest.raises(ValueError, match="no part 25"):
        face_at(np.array([25]), np.array([0.5]), np.array([0.5]))


def test_perfect_is_one_and_background_is_none(places):
    part, u, v = places
    assert gps.similarity(places, places) == 1
    assert gps.similarity(places, (np.zeros_like(part), u, v)) == 0
    half = np.where(np.arange(len(part)) % 2, part, 0)
    assert gps.similarity(places, (half, u, v)) == pytest.approx(0.5)
    assert gps.similarity(([], [], []), ([], [], [])) == 0


@pytest.mark.parametrize("metres", [0.0, 0.05, KAPPA, 1.0])
def test_a_distance_gives_the_published_exponential(metres):
    assert gps.gps(np.full(10, metres)) == pytest.approx(np.exp(-(metres**2) / (2 * 0.065025)))


def test_a_shift_along_the_thigh_costs_what_its_length_says():
    """From the hip's to the knee's end of a thigh's front, about 0.4 m on a body of 1.63 m; V is even along it."""
    part, u = np.full(50, NAMES.index("left_upper_leg_front")), np.full(50, 0.5)
    lengths = Distances.load()((part, u, np.full(50, 0.1)), (part, u, np.full(50, 0.9)))
    assert 0.22 < lengths[0] < 0.38
    for shift in (0.2, 0.4, 0.8):
        got = gps.similarity((part, u, np.full(50, 0.1)), (part, u, np.full(50, 0.1 + shift)))
        assert got == pytest.approx(np.exp(-((lengths[0] * shift / 0.8) ** 2) / (2 * KAPPA**2)), abs=0.04)


def test_left_for_right_costs_the_way_round_the_body(places):
    distances = Distances.load()(places, mirrored(*places))
    swapped = gps.similarity(places, mirrored(*places))
    assert swapped < 0.5
    hands = np.isin(places[0], (3, 4))
    assert distances[hands].min() > 1 and gps.gps(distances[hands]) < 0.01
    assert swapped == pytest.approx(np.exp(-(distances.astype(float) ** 2) / (2 * KAPPA**2)).mean())


def test_labels_are_read_from_a_picture():
    iuv = np.zeros((4, 5, 3), np.uint8)
    iuv[2, 3] = 2, 51, 255
    part, u, v = gps.at_pixels(iuv, np.array([3.7, 0, -1, 5]), np.array([2.2, 0, 2, 2]))
    assert part.tolist() == [2, 0, 0, 0]
    assert u[0] == pytest.approx(0.2) and v[0] == 1


def _square(x, size=60):
    area = np.zeros((100, 200), np.uint8)
    area[20 : 20 + size, x : x + size] = 1
    return coco_mask.encode(np.asfortranarray(area))


def _person(image, x, places):
    nowhere = np.zeros(len(places[0]))
    return {"image_id": image, "segmentation": _square(x), "points": (nowhere, nowhere, *places)}


def _detection(image, x, score, labels):
    return {"image_id": image, "segmentation": _square(x), "score": score, "at": lambda *_: labels}


def test_average_precision_of_known_cases(places):
    nothing = np.zeros_like(places[0]), places[1], places[2]
    truth = [_person(1, 10, places), _person(1, 110, places), _person(2, 10, places)]
    right = [_detection(1, 10, 0.9, places), _detection(1, 110, 0.8, places), _detection(2, 10, 0.7, places)]
    assert gps.evaluate(truth, right) == {"AP": 100, "AP50": 100, "AP75": 100, "APm": 100, "APl": -1, "AR": 100}
    assert gps.evaluate(truth, [{**one, "at": lambda *_: nothing} for one in right])["AP"] == 0
    assert gps.evaluate(truth, [])["AP"] == 0 and gps.evaluate([], right)["AP"] == -1
    # One of three not found: recall ends at 2/3, of COCO's 101 recall points 67 are reached.
    assert gps.evaluate(truth, right[:2])["AP"] == pytest.approx(100 * 67 / 101, abs=0.01)
    assert gps.evaluate(truth, right[:2])["AR"] == pytest.approx(200 / 3, abs=0.01)


def test_thresholds_and_the_mask_count(places):
    half = np.where(np.arange(len(places[0])) % 2, places[0], 0), places[1], places[2]
    truth = [_person(1, 10, places)]
    # GPS is 0.5 and the mask right: GPSm 0.707 passes 0.50, 0.55 … 0.70, five of ten.
    both = [_detection(1, 10, 0.9, half)]
    assert gps.evaluate(truth, both)["AP"] == 50
    assert gps.evaluate(truth, both, masked=False)["AP"] == pytest.approx(10)
    # GPS is 1 and half the mask beside it (IoU 1/3): GPSm 0.577 passes 0.50 and 0.55.
    assert gps.evaluate(truth, [_detection(1, 40, 0.9, places)])["AP"] == pytest.approx(20)


def test_a_person_without_labels_costs_nothing(places):
    unlabelled = {"image_id": 1, "segmentation": _square(110)}
    truth, found = [_person(1, 10, places), unlabelled], [_detection(1, 10, 0.5, places), _detection(1, 110, 0.9, places)]
    assert gps.evaluate(truth, found)["AP"] == 100 and gps.evaluate(truth, found[:1])["AP"] == 100
    beside = {**found[1], "segmentation": _square(80, 20)}
    assert gps.evaluate(truth, [found[0], beside])["AP"] == pytest.approx(50, abs=0.01), "one on nobody is a false one, and first"


def test_a_models_own_answer_scores_all_and_feet_score_nothing(tmp_path, astronaut, astronaut_path):
    model = edgemask.load(threads=1, dense=True)
    best = model(astronaut)[:1]
    record, iuv = best.coco()[0], best.iuv()
    annotation = {"image_id": 5, "category_id": 1, "bbox": record["bbox"], "segmentation": record["segmentation"]}
    image = {"id": 5, "file_name": str(astronaut_path), "width": 512, "height": 512, "iuv": "iuv.png"}
    content = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "set.json").write_text(json.dumps(content))
    cv2.imwrite(str(tmp_path / "iuv.png"), iuv[..., ::-1])
    figures = gps.measure(model, tmp_path / "set.json")
    assert figures["GPS AP"] == figures["GPSm AP"] == 100
    iuv[iuv[..., 0] > 0, 0] = NAMES.index("left_foot")
    cv2.imwrite(str(tmp_path / "iuv.png"), iuv[..., ::-1])
    assert gps.measure(model, tmp_path / "set.json")["GPS AP"] == 0
