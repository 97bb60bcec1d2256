"""`edgemask run --dense` and `edgemask demo --dense` as a user calls them: records, IUV maps, overlays."""

import base64
import io
import json

import cv2
import numpy as np
import pytest

import edgemask
from edgemask import painting
from edgemask.cli import main
from edgemask.detections import Detections
from edgemask.parts import COUNT

PIL = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def run(tmp_path_factory, astronaut_path):
    """`run(...)` runs on the astronaut; the record and the folder with what was written."""

    def call(*arguments, code=0):
        folder = tmp_path_factory.mktemp("run")
        out = ["--jsonl", str(folder / "out.jsonl"), "--out", str(folder)]
        assert main(["run", str(astronaut_path), *out, *map(str, arguments)]) == code
        return json.loads((folder / "out.jsonl").read_text()), folder

    return call


@pytest.fixture(scope="module")
def found(astronaut) -> Detections:
    return edgemask.load(dense=True)(astronaut).above(0.6)


def tiled(boxes, size=(96, 72)) -> Detections:
    """People with all 24 parts in six rows of four, U from 0 to 1 across and V down all of them."""
    y, x = np.mgrid[:28, :28] / 27
    tile = 1 + np.minimum(6 * y, 5).astype(int) * 4 + np.minimum(4 * x, 3).astype(int)
    parts = (tile[..., None] == np.arange(1, COUNT + 1)).astype(np.uint8) * 200
    uv = np.rint(255 * np.repeat(np.stack([x, y], axis=2)[..., None], COUNT, axis=3)).astype(np.uint8)
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.linspace(0.9, 0.6, count, dtype=np.float32), np.zeros(count, np.int64),
        np.ones((count, 28, 28), np.float32), size, ("person",), parts=np.stack([parts] * count), uv=np.stack([uv] * count),
    )  # fmt: skip


def test_records_carry_parts_u_and_v_as_png(run, found):
    record, _ = run("--dense")
    assert len(record["detections"]) == len(found) > 0 and record["ms"]["dense"] > 0
    for one, (iuv, left, top) in zip(record["detections"], found.iuv_crops(), strict=True):
        x, y, width, height = one["dense"]["bbox"]
        assert [x, y] == [left, top] and all(isinstance(side, int) for side in one["dense"]["bbox"])
        picture = PIL.open(io.BytesIO(base64.b64decode(one["dense"]["iuv_png"])))
        assert picture.mode == "RGB" and picture.size == (width, height)
        np.testing.assert_array_equal(np.asarray(picture), iuv)
    assert "dense" not in run()[0]["detections"][0]


def test_iuv_maps_read_back_with_the_right_parts_at_the_right_pixels(run, found):
    record, folder = run("--iuv")
    path = folder / "astronaut.iuv.png"
    blue_green_red = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert blue_green_red.dtype == np.uint8 and blue_green_red.shape == (512, 512, 3)
    part, u, v = np.moveaxis(np.asarray(PIL.open(path)), 2, 0)
    np.testing.assert_array_equal(blue_green_red, np.stack([v, u, part], axis=2))
    # Pixels against the grids themselves: the part with the largest of four neighbouring cells' mean logits.
    best, (x0, y0, x1, y1) = found[:1], found.boxes[0]
    mask, checked = best.masks()[0], 0
    for y, x in np.argwhere(mask)[:: 997]:
        column, row = ((x + 0.5 - x0) / (x1 - x0) * 28 - 0.5, (y + 0.5 - y0) / (y1 - y0) * 28 - 0.5)
        (i, j), (a, b) = np.clip([row, column], 0, 26.999).astype(int), np.clip([row, column], 0, 27) % 1
        cells = best.parts[0][i : i + 2, j : j + 2].astype(float)
        logits = (1 - a) * ((1 - b) * cells[0, 0] + b * cells[0, 1]) + a * ((1 - b) * cells[1, 0] + b * cells[1, 1])
        if 0 < row < 27 and 0 < column < 27 and np.diff(np.sort(logits)[-2:]) > 1e-3:
            assert part[y, x] == 1 + logits.argmax()
            checked += 1
    assert checked > 50 and set(record["detections"][0]) >= {"dense"}


def test_known_parts_stand_where_they_are_told(tmp_path):
    people = tiled([[0, 0, 96, 72]])
    iuv = people.iuv()
    np.testing.assert_array_equal(iuv[6::12, 12::24, 0], np.arange(1, 25).reshape(6, 4))
    assert abs(int(iuv[36, 48, 1]) - 128) < 4 and abs(int(iuv[36, 48, 2]) - 128) < 4 and iuv[36, 2, 1] < 8 < 248 < iuv[36, 94, 1]


def test_a_clip_gets_a_folder_of_iuv_maps(astronaut, tmp_path):
    from edgemask.verbs.demo import pan_and_zoom

    pan_and_zoom(astronaut, tmp_path / "clip.mp4")
    arguments = ["--iuv", "--overlay", "--frames", "3", "--out", str(tmp_path)]
    assert main(["run", str(tmp_path / "clip.mp4"), *arguments]) == 0
    assert [path.name for path in sorted((tmp_path / "clip.iuv").iterdir())] == ["000000.png", "000001.png", "000002.png"]
    assert cv2.imread(str(tmp_path / "clip.iuv" / "000000.png"), cv2.IMREAD_UNCHANGED).any()
    assert int(cv2.VideoCapture(str(tmp_path / "clip.overlay.webm")).get(cv2.CAP_PROP_FRAME_COUNT)) == 3


def test_overlays_of_parts_lines_and_textures(run, found, astronaut, tmp_path):
    board = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((8, 8), np.uint8))[..., None] * np.uint8([255, 0, 255])
    cv2.imwrite(str(tmp_path / "board.png"), board.astype(np.uint8))
    labels, pictures = found.iuv()[..., 0], {}
    away = cv2.dilate(labels, np.ones((9, 9))) == 0
    for kind in ("masks", "parts", "uv", tmp_path / "board.png"):
        record, folder = run("--overlay", "--draw", kind)
        assert ("dense" in record["detections"][0]) is (kind != "masks")
        pictures[kind] = cv2.imread(str(folder / "astronaut.overlay.jpg"))[..., ::-1].astype(int)
        changed = np.abs(pictures[kind] - astronaut).max(axis=2) > 40
        assert kind == "masks" or changed[labels > 0].mean() > 0.1 > 0.01 > changed[away].mean(), kind
    default, _ = run("--overlay", "--dense")
    inside = cv2.erode((labels == 2).astype(np.uint8), np.ones((5, 5))).astype(bool)
    want = (1 - painting.OPACITY) * astronaut[inside] + painting.OPACITY * painting.COLOURS[2]
    assert inside.sum() < 20 or np.abs(pictures["parts"][inside] - want).mean() < 12


def test_parts_have_their_colours_and_lines_lie_where_u_and_v_pass_an_eighth():
    people, grey = tiled([[0, 0, 96, 72]]), np.full((72, 96, 3), 128, np.uint8)
    painted = painting.parts(grey, people).astype(int)
    for part in range(1, 25):
        row, column = divmod(part - 1, 4)
        want = 0.4 * 128 + 0.6 * painting.COLOURS[part]
        assert np.abs(painted[12 * row + 6, 24 * column + 12] - want).max() <= 1
    lines = painting.isolines(grey, people)
    iuv = people.iuv()
    blue, orange = ((lines == tint).all(axis=2) for tint in ((0, 130, 255), (255, 150, 0)))
    assert orange.sum() > 200 and blue.sum() > 200
    assert (iuv[..., 1] // 32)[:, :-1][orange[:, :-1]].tolist() != (iuv[..., 1] // 32)[:, 1:][orange[:, :-1]].tolist()
    assert np.isin(np.flatnonzero(orange.any(axis=0)), np.flatnonzero((np.diff(iuv[36, :, 1] // 32) != 0))).all()


def test_a_texture_lies_on_the_people_as_u_and_v_say():
    people, black = tiled([[0, 0, 96, 72]]), np.zeros((72, 96, 3), np.uint8)
    ramp = np.zeros((64, 65, 3), np.uint8)  # red grows with U, green with V
    ramp[..., 0], ramp[..., 1] = np.linspace(0, 255, 65), np.linspace(0, 255, 64)[:, None]
    painted, iuv = painting.Texture(ramp)(black, people).astype(int), people.iuv().astype(int)
    assert np.abs(painted[..., 0] - 0.85 * iuv[..., 1]).max() <= 5 and np.abs(painted[..., 1] - 0.85 * iuv[..., 2]).max() <= 5
    atlas = np.repeat(np.repeat(np.arange(24, dtype=np.uint8).reshape(4, 6).T, 10, axis=0), 10, axis=1)
    atlas = np.repeat(10 * (1 + atlas[..., None]), 3, axis=2)
    painted = painting.Texture(atlas)(black, people).astype(int)
    assert np.abs(painted[..., 0] - 8.5 * iuv[..., 0]).max() <= 1


def test_the_score_that_is_asked_for_saves_the_heads_work_and_changes_nothing(run, astronaut):
    record, _ = run("--dense", "--score", "0.3")
    whole = edgemask.load(dense=True)(astronaut).above(0.3)
    assert record["detections"] == json.loads(json.dumps(whole.coco()))


def test_what_makes_no_sense_is_one_sentence(headless, astronaut_path, tmp_path, capsys):
    dense, plain = (["run", str(astronaut_path), "--out", str(tmp_path), *more] for more in ([], ["--bundle", str(headless)]))
    for arguments, words in (
        ([*plain, "--dense"], "headless.edgemask has no dense head"),
        ([*plain, "--iuv"], "has no dense head"),
        ([*plain, "--overlay", "--draw", "uv"], "has no dense head"),
        ([*dense, "--draw", "parts"], "--overlay"),
        ([*dense, "--overlay", "--draw", str(tmp_path / "none.png")], "none.png cannot be read"),
        (["demo", "--dense", "--bundle", str(headless), "--out", str(tmp_path)], "has no dense head"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_demo_shows_parts(tmp_path, capsys):
    assert main(["demo", "--dense", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "astronaut.overlay.jpg").exists() and (tmp_path / "astronaut-clip.overlay.webm").exists()
    assert "iuv_png" in (tmp_path / "astronaut.jsonl").read_text()
