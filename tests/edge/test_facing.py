"""Front and back, left and right: what a head says of one frame against what it said of those before."""

from dataclasses import replace

import numpy as np
import pytest

import edgemask
from edgemask.cameras import Frame
from edgemask.detections import Detections
from edgemask.facing import Facing, turn
from edgemask.parts import COUNT, MIRROR, NAMES, TURNED, group
from edgemask.tracking import Tracker

FPS, SIDE = 10, 28
BACK, FRONT = NAMES.index("torso_back"), NAMES.index("torso_front")


def logits(labels):
    """Of a body whose cells are these parts: int8 [S, S, 24]."""
    return np.where(np.arange(1, COUNT + 1) == labels[..., None], 50, -50).astype(np.int8)


def said(*frames):
    """What `Facing` says of label maps [S, S], one after another."""
    facing, everywhere = Facing(), np.ones((SIDE, SIDE), np.float32)
    return [facing(logits(labels), everywhere, number / FPS) for number, labels in enumerate(frames)]


def body(front=True):
    labels = np.full((SIDE, SIDE), FRONT if front else BACK)
    left, right = (NAMES.index(f"{side}_upper_leg_{'front' if front else 'back'}") for side in ("left", "right"))
    # In front of us somebody's right is on our left.
    labels[14:, :14], labels[14:, 14:] = (right, left) if front else (left, right)
    return labels


def test_the_other_way_round_is_left_for_right_and_front_for_back():
    assert [TURNED[part] for part in TURNED] == list(range(COUNT + 1)) and TURNED[BACK] == FRONT
    for part in group("arm") | group("head") | group("hand") | group("foot"):
        assert TURNED[part] == MIRROR[part]
    for part in group("leg"):
        before, after = NAMES[part].split("_"), NAMES[TURNED[part]].split("_")
        assert before[1:3] == after[1:3] and before[0] != after[0] and before[3] != after[3]
    assert (np.array(TURNED)[body(front=True)] == body(front=False)).all()


def test_turned_twice_is_as_before_and_u_runs_round_limbs_the_other_way():
    random = np.random.default_rng(0)
    parts, uv = random.normal(size=(3, SIDE, SIDE, COUNT)), random.integers(0, 256, (3, SIDE, SIDE, 2, COUNT), np.uint8)
    turned, moved = turn(parts, uv)
    assert all((one == other).all() for one, other in zip(turn(turned, moved), (parts, uv), strict=True))
    for part in range(1, COUNT + 1):
        u, v = np.moveaxis(uv[..., part - 1], 3, 0)
        u_turned, v_turned = np.moveaxis(moved[..., TURNED[part] - 1], 3, 0)
        assert (v == v_turned).all() and (u_turned == (u if part in (BACK, FRONT) else 255 - u)).all()
        assert (parts[..., part - 1] == turned[..., TURNED[part] - 1]).all()


def test_a_moment_is_outvoted_and_what_lasts_is_not():
    front, back = body(), body(front=False)
    assert said(*[front] * 10, back, front, back, back, front) == [False] * 10 + [True, False, True, True, False]
    lasting = said(*[front] * 10, *[back] * 20)
    assert lasting[10] and not any(lasting[-15:])
    assert said(back, *[front] * 9)[2:] == [False] * 8  # a first frame that was wrong


def test_somebody_who_turns_is_believed_at_once():
    """The other side comes into view column by column, from the edge."""
    columns = np.arange(SIDE)
    around = [np.where(columns < edge, body(front=False), body()) for edge in range(0, SIDE + 1, 4)]
    assert not any(said(*[body()] * 20, *around, *[body(front=False)] * 20))


def test_nobody_in_sight_is_nobody_turned():
    assert not any(Facing()(logits(body()), np.zeros((SIDE, SIDE), np.float32), now) for now in (0.0, 0.1))


def test_each_person_has_a_memory_of_their_own():
    """A frame in which one of two is turned comes out of the tracker as it should have been."""
    boxes = np.float32([[0, 0, 100, 200], [200, 0, 300, 200]])
    parts, uv = np.stack([logits(body()), logits(body(front=False))]), np.zeros((2, SIDE, SIDE, 2, COUNT), np.uint8)
    known = Detections(boxes, np.float32([0.9, 0.8]), np.zeros(2, int), np.ones((2, SIDE, SIDE), np.float32), (320, 240),
                       ("person",), parts=parts, uv=uv)  # fmt: skip
    mixed = known.parts.copy()
    mixed[1] = logits(body())
    tracker, picture = Tracker(), np.zeros((240, 320, 3), np.uint8)
    for number in range(6):
        found = tracker(Frame(picture, "two", number, FPS), replace(known, parts=mixed) if number in (3, 5) else known)
        assert (found.parts == known.parts).all(), number
    assert (mixed[1] == logits(body())).all(), "what the model gave is left as it was"


@pytest.fixture(scope="module")
def from_behind(shared):
    """Frames 620 to 692 of the clip: a woman with long hair, seen from behind all the while."""
    clip = edgemask.open_camera(shared / "media/one-by-one-person-detection.mp4")
    frames = (frame for frame in clip if 620 <= frame.number <= 692)
    model, tracker, found = edgemask.load(threads=1, dense=True), Tracker(), {}
    for frame in frames:
        found[frame.number] = tracker(frame, model(frame.rgb)).above(0.5)[:1]
    return found


def test_her_back_stays_her_back(from_behind):
    seen = {number: np.bincount(next(from_behind[number].iuv_crops())[0][..., 0].reshape(-1), minlength=COUNT + 1)
            for number in range(668, 693)}  # fmt: skip
    assert [number for number, pixels in seen.items() if pixels[BACK] <= pixels[FRONT]] == []
    whole = sum(seen.values())
    assert whole[BACK] > 4 * whole[FRONT]
