"""Who is who: ids that stay, on made-up scenes with known truth, through the command and through the gate."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

import edgemask
from edgemask.benchmarks.tracking import SCENES, count, on_clip, on_scene, scene
from edgemask.cameras import FakeCamera, Frame
from edgemask.cli import main
from edgemask.gate import Gate
from edgemask.loop import Loop
from edgemask.sinks.sink import Sink
from edgemask.tracking import Tracker
from edgemask.verbs.demo import pan_and_zoom


@pytest.mark.parametrize("name", SCENES)
def test_everybody_keeps_one_id(name):
    row = on_scene(name)
    assert row["people"] == row["tracked"] == row["ids"] == len(SCENES[name][0]) and row["switches"] == 0


def test_the_count_finds_what_goes_wrong():
    exchanged = count({0: [1, 1, 2, 2], 1: [2, 2, 1, 1]})
    assert exchanged == {"people": 2, "tracked": 2, "ids": 2, "switches": 2, "fragmentations": 0}
    assert count({0: [0, 1, 0, 0, 1, 0, 2, 0], 1: [0, 0]}) == {
        "people": 2, "tracked": 1, "ids": 2, "switches": 1, "fragmentations": 2,
    }  # fmt: skip


def test_without_the_filter_and_the_order_of_matching_ids_are_exchanged(monkeypatch):
    """The scenes are hard enough to tell trackers apart."""
    monkeypatch.setattr("edgemask.tracking.Track.at", lambda self, now: boxes_of(self))
    assert any(on_scene(name)["switches"] or on_scene(name)["ids"] > on_scene(name)["people"] for name in SCENES)


def boxes_of(track):
    centre, size = track.state[0, :2], track.state[0, 2:]
    return np.concatenate([centre - size / 2, centre + size / 2])


def ids(tracker, frames):
    return [tracker(frame, found).track_ids.tolist() for frame, found, _ in frames]


def test_the_first_sighting_has_no_id_and_ids_count_from_one():
    assert ids(Tracker(), scene("occlusion"))[:3] == [[0], [1], [1]]


def test_whoever_was_away_longer_than_the_memory_is_somebody_new():
    still = list(scene("stops while hidden"))  # 1.8 s out of sight
    assert ids(Tracker(memory=2.0), still)[-1] == [1] and ids(Tracker(memory=1.0), still)[-1] == [2]


def test_stamps_count_where_there_are_any():
    """After an outage a camera's numbers go on as if nothing had been; its stamps do not."""
    tracker, frames = Tracker(), list(scene("stops while hidden"))[:6]
    outage = [10**10 * (number > 2) for number in range(6)]
    stamped = [(replace(frame, stamp=frame.number * 10**8 + away), *rest) for (frame, *rest), away in zip(frames, outage, strict=True)]
    assert ids(tracker, stamped) == [[0], [1], [1], [0], [2], [2]]


def test_an_id_goes_with_its_instance(astronaut):
    people = replace(edgemask.load(threads=1)(astronaut), track_ids=None)
    numbered = replace(people, track_ids=np.arange(len(people)))
    picked = numbered[::-1][:2]
    assert picked.track_ids.tolist() == [len(people) - 1, len(people) - 2]
    assert [one["track_id"] for one in numbered.coco()][:2] == [None, 1] and people.coco()[1]["track_id"] is None
    assert numbered.supervision().tracker_id.tolist() == numbered.track_ids.tolist()
    with pytest.raises(ValueError, match="track_ids"):
        replace(people, track_ids=np.arange(len(people) + 1))


def test_the_command_writes_them(tmp_path, astronaut, astronaut_path, capsys):
    clip, out = tmp_path / "clip.mp4", tmp_path / "out.jsonl"
    pan_and_zoom(astronaut, clip)
    assert main(["run", str(clip), "--track", "--jsonl", str(out)]) == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    best = [record["detections"][0]["track_id"] for record in records]
    assert best[0] is None and len(set(best[1:])) == 1 and best[1] >= 1
    assert main(["run", str(clip), "--jsonl", str(out)]) == 0
    assert '"track_id": null' in out.read_text() and '"track_id": 1' not in out.read_text()
    assert main(["run", str(astronaut_path), "--track"]) == 2
    assert "--track is for videos and cameras" in capsys.readouterr().err


class Ids(Sink):
    def __init__(self):
        super().__init__()
        self.seen = []

    def write(self, frame, detections):
        self.seen.append(detections.track_ids.tolist())


def test_an_id_survives_while_the_gate_repeats_the_last_result(model, astronaut):
    """Somebody who sits still for longer than the memory."""
    camera = FakeCamera([cv2.resize(astronaut, (320, 320))], fps=20, frames=40)
    sink = Ids()
    loop = Loop(camera, model, [sink], gate=Gate(), tracker=Tracker(memory=1.0), threshold=0.9)
    model(astronaut)  # a first look takes longer, and on a busy machine so long that she would be forgotten
    loop.run()
    assert loop.gated > 15 and sink.seen[0] == [0]
    assert len({tuple(ids) for ids in sink.seen[1:]}) == 1 and sink.seen[1][0] > 0


def test_the_clip_whose_people_were_counted_by_hand(shared):
    row = on_clip(shared / "media" / "one-by-one-person-detection.mp4", every=5)
    assert row["people"] == row["tracked"] == row["ids"] == 6 and row["switches"] == 0
    assert row["other_ids"] <= 8  # a table's, of which README speaks


def test_the_one_person_before_a_webcam_keeps_one_id(shared):
    row = on_clip(shared / "media" / "again.mkv", every=2)
    assert {row[key] for key in ("people", "tracked", "ids")} == {1} and not row["switches"] and not row["fragmentations"]


def test_another_clip_is_refused(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"another")
    with pytest.raises(edgemask.EdgemaskError, match="none of the clips"):
        on_clip(tmp_path / "clip.mp4")


def test_a_frame_with_nobody_is_fine(model):
    empty = model(np.zeros((64, 64, 3), np.uint8))[:0]
    assert Tracker()(Frame(np.zeros((64, 64, 3), np.uint8), "x", 0, 10.0), empty).track_ids.shape == (0,)
