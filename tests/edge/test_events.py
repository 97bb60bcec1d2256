"""Events: who comes, changes zone and goes."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from edgemask.cameras import Frame
from edgemask.detections import Detections
from edgemask.events import Events
from edgemask.tracking import Tracker
from edgemask.zones import Zone, touched

START = datetime(2026, 11, 24, 10, tzinfo=UTC)
DOOR = Zone("door", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
TABLE = Zone("table", ((0.4, 0), (1, 0), (1, 1), (0.4, 1)))
FIELDS = {
    "id", "track_id", "camera", "frame_time", "label", "score", "top_score", "box", "area", "current_zones",
    "entered_zones", "start_time", "end_time",
}  # fmt: skip


def detections(boxes, scores, ids=None):
    count = len(scores)
    grids, classes = np.ones((count, 28, 28), np.float32), np.zeros(count, np.int64)
    return Detections(boxes, scores, classes, grids, (200, 100), ("person",), track_ids=ids)


class Scene:
    """People at given places of a frame of 200×100, at given seconds."""

    def __init__(self, *zones, tracker=None):
        self.zones, self.events, self.tracker, self.frames = zones, Events([zone.name for zone in zones]), tracker, 0

    def at(self, seconds, people, hours=0):
        """The events; people: {track id: (x, score)}, boxes of 20×50; hours: by which the wall clock is wrong."""
        boxes = np.array([[x, 25, x + 20, 75] for x, _ in people.values()], np.float32).reshape(-1, 4)
        scores = np.array([score for _, score in people.values()], np.float32)
        ids = np.array(list(people), np.int64)
        found = detections(boxes, scores, ids)
        time = START + timedelta(seconds=seconds, hours=hours)
        frame = Frame(np.zeros((100, 200, 3), np.uint8), "cam", self.frames, 10.0, time, round(seconds * 1e9))
        self.frames += 1
        found = self.tracker(frame, found) if self.tracker else found
        return self.events(frame, found, touched(self.zones, found))


def test_somebody_comes_crosses_the_room_and_goes():
    scene, told = Scene(DOOR, TABLE), []
    for tenth in range(60):
        told += scene.at(tenth / 10, {7: (3 * tenth, 0.8)} if tenth < 55 else {})
    told += scene.at(8.4, {})
    assert all(set(event) == {"type", "before", "after"} for event in told)
    assert all(set(event[when]) == FIELDS for event in told for when in ("before", "after"))
    kinds = [(event["type"], event["after"]["current_zones"]) for event in told]
    assert kinds == [("new", ["door"]), ("update", ["door", "table"]), ("update", ["table"])]
    (end,) = scene.at(8.5, {})
    new, update = told[0], told[1]
    assert new["before"]["entered_zones"] == [] and new["after"]["entered_zones"] == ["door"]
    assert update["before"] == new["after"] and end["before"] == told[2]["after"]
    after = end["after"]
    assert end["type"] == "end" and after["entered_zones"] == ["door", "table"] and after["track_id"] == 7
    assert after["start_time"] == START.timestamp() and after["end_time"] == START.timestamp() + 5.4
    assert after["box"] == [162, 25, 182, 75] and after["area"] == 1000
    assert after["label"] == "person" and after["camera"] == "cam"
    assert len({event["after"]["id"] for event in [*told, end]}) == 1
    assert [event["after"]["end_time"] for event in told] == [None] * 3 and scene.at(20, {}) == []


def test_nobody_flickers_on_a_border():
    scene, told = Scene(DOOR), []
    for tenth in range(40):
        inside = tenth < 4 or (tenth < 20 and tenth % 4 < 3)
        told += scene.at(tenth / 10, {1: (50 if inside else 150, 0.9)})
    assert [(event["type"], event["after"]["current_zones"]) for event in told] == [("new", ["door"]), ("update", [])]
    assert told[1]["after"]["frame_time"] == pytest.approx(START.timestamp() + 2.4)


def test_a_better_score_is_an_update_and_a_worse_one_is_none():
    scene = Scene()
    scores = enumerate((0.6, 0.63, 0.66, 0.5, 0.68, 0.72))
    told = [event for step, score in scores for event in scene.at(step / 10, {1: (5, score)})]
    assert [(event["type"], event["after"]["score"]) for event in told] == [("new", 0.6), ("update", 0.66), ("update", 0.72)]


def test_two_people_have_events_of_their_own_and_a_short_absence_is_none():
    scene = Scene(DOOR)
    assert [event["after"]["track_id"] for event in scene.at(0, {1: (5, 0.9), 2: (150, 0.9)})] == [1, 2]
    assert scene.at(2, {2: (150, 0.9)}) == [] and scene.at(2.9, {1: (5, 0.9), 2: (150, 0.9)}) == []
    assert scene.at(5, {2: (150, 0.9)}) == []
    (end,) = scene.at(6, {2: (150, 0.9)})
    assert (end["type"], end["after"]["track_id"]) == ("end", 1)
    (new,) = scene.at(6.1, {1: (5, 0.9), 2: (150, 0.9)})
    assert new["type"] == "new" and new["after"]["id"] != end["after"]["id"]
    assert [(event["type"], event["after"]["track_id"]) for event in scene.events.finish()] == [("end", 2), ("end", 1)]
    assert scene.events.finish() == []


def test_who_has_no_id_yet_makes_no_event():
    scene = Scene(DOOR)
    assert scene.at(0, {0: (5, 0.9)}) == []
    people = detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32))
    frame = Frame(np.zeros((100, 200, 3), np.uint8), "cam", 1)
    assert people.track_ids is None and scene.events(frame, people, touched([DOOR], people)) == []


def test_a_clock_that_is_set_ends_nothing():
    scene = Scene()
    told = [event for step, hours in enumerate((0, 1, -1)) for event in scene.at(step / 10, {1: (5, 0.9)}, hours)]
    assert [event["type"] for event in told] == ["new"]


@pytest.mark.parametrize("rate", [2, 10])
def test_with_the_tracker_each_walker_is_one_event(rate):
    scene, told = Scene(DOOR, TABLE, tracker=Tracker()), []
    for frame in range(10 * rate):
        seconds = frame / rate
        told += scene.at(seconds, {1: (10 + 8 * seconds, 0.9), 2: (170 - 2 * seconds, 0.8)} if seconds < 6 else {})
    assert [event["type"] for event in told] == ["new", "new", "end", "end"]
    assert sorted(event["after"]["entered_zones"] for event in told[2:]) == [["door"], ["table"]]
