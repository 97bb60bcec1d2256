"""Events: when somebody comes, changes zone and goes, as Frigate tells it."""

from dataclasses import dataclass, field

from edgemask.cameras.frame import Frame
from edgemask.detections import Detections


@dataclass
class Sight:
    """One tracked instance, from when it came: what is seen of it now and what was told of it last.

    zones: where it is; touched, since: what it touched in the last frame, and from when on; stamps are in nanoseconds.
    """

    stamp: int
    zones: list[str]
    touched: list[str]
    since: int
    entered: list[str] = field(default_factory=list)
    now: dict = field(default_factory=dict)
    told: dict = field(default_factory=dict)

    def touches(self, zones, stamp, inertia):
        """It touches these zones now; they count once that has lasted for `inertia` seconds."""
        if zones != self.touched:
            self.touched, self.since = zones, stamp
        if stamp - self.since >= inertia * 1e9:
            self.zones = zones
        self.stamp = stamp
        self.entered += [zone for zone in self.zones if zone not in self.entered]


class Events:
    """Turns tracked detections into `new`, `update` and `end` events; for live frames, whose `stamp` is not None.

    An update is a change of zones that lasts for `INERTIA` seconds, so that nobody flickers on a border, or a score that
    beats the last one told by `BETTER`; an instance that was not seen for `PATIENCE` seconds has ended when it was last
    seen. What has no track id (yet) makes no events.
    """

    PATIENCE, INERTIA, BETTER = 3.0, 0.5, 0.05

    def __init__(self, zones: list[str]):
        self.zones, self.sights = zones, {}

    def __call__(self, frame: Frame, detections: Detections, touched) -> list[dict]:
        """The events of this frame; touched: bool [instances, zones] from `zones.touched`."""
        events = []
        for index, track in enumerate(detections.track_ids if detections.track_ids is not None else ()):
            if track:
                zones = [zone for zone, inside in zip(self.zones, touched[index], strict=True) if inside]
                events += self._see(int(track), frame, detections, index, zones)
        gone = [track for track, sight in self.sights.items() if frame.stamp - sight.stamp > self.PATIENCE * 1e9]
        return events + [self._end(track) for track in gone]

    def finish(self) -> list[dict]:
        """The ends of all that are still in sight."""
        return [self._end(track) for track in list(self.sights)]

    def _see(self, track, frame, detections, index, zones):
        time = round(frame.time.timestamp(), 3)
        sight = self.sights.setdefault(track, Sight(frame.stamp, zones, zones, frame.stamp))
        sight.touches(zones, frame.stamp, self.INERTIA)
        score, box = round(float(detections.scores[index]), 4), [round(float(side)) for side in detections.boxes[index]]
        start = sight.now.get("start_time", time)
        sight.now = {
            "id": f"{start}-{track}", "track_id": track, "camera": frame.source, "frame_time": time,
            "label": detections.classes[detections.class_ids[index]], "score": score,
            "top_score": max(score, sight.now.get("top_score", 0.0)), "box": box,
            "area": (box[2] - box[0]) * (box[3] - box[1]), "current_zones": sight.zones,
            "entered_zones": list(sight.entered), "start_time": start, "end_time": None,
        }  # fmt: skip
        if not sight.told:
            # Automations ask what was not so before: it was there, in no zone.
            return [self._tell("new", sight, {**sight.now, "current_zones": [], "entered_zones": []})]
        better = sight.now["top_score"] >= sight.told["top_score"] + self.BETTER
        return [self._tell("update", sight, sight.told)] if better or sight.zones != sight.told["current_zones"] else []

    def _end(self, track):
        sight = self.sights.pop(track)
        sight.now = {**sight.now, "end_time": sight.now["frame_time"]}
        return self._tell("end", sight, sight.told)

    def _tell(self, kind, sight, before):
        sight.told = sight.now
        return {"type": kind, "before": before, "after": sight.now}
