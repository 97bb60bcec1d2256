"""Who is who: ids that instances keep from frame to frame."""

from dataclasses import replace

import numpy as np

from edgemask import boxes
from edgemask.cameras.frame import Frame
from edgemask.detections import Detections
from edgemask.facing import Facing, turn

# Boxes are compared half as large again (Yang et al. 2023): at a Pi's frame rates a walker leaves the old box behind.
REACH, LOWEST_IOU = 0.25, 0.2
# Of the box's size: how far off a detection is, and how much a velocity may change in a second.
NOISE, AGILITY = 0.05, 2.0


class Tracker:
    """Gives detections the ids of those in earlier frames.

    >>> tracker = Tracker()
    >>> for frame in camera:
    ...     people = tracker(frame, model(frame.rgb)).above(0.5)

    A Kalman filter says where each instance should be by now, and instances of its class are matched by IoU
    (SORT, Bewley et al. 2016): first those with at least the score `start`, then, so that an id survives weak moments,
    those with half of it (ByteTrack, Zhang et al. 2022): give it everything the model finds. Ids count from 1, each
    comes with the second sighting in a row; who is unseen for `memory` seconds or has left the picture is forgotten.
    Body parts come with front and back, left and right as they were in the frames before (`edgemask.facing`).
    """

    def __init__(self, start: float = 0.5, memory: float = 2.0):
        self.start, self.memory, self.tracks, self.ids, self.looked = start, memory, [], 0, None

    def __call__(self, frame: Frame, detections: Detections) -> Detections:
        """The same detections with `track_ids`; frames come in order, and their stamps or fps say how far apart."""
        now = frame.number / frame.fps if frame.stamp is None else frame.stamp / 1e9
        known = [track for track in self.tracks if now - track.seen <= self.memory and track.within(detections.size, now)]
        strong, weak = detections.scores >= self.start, detections.scores >= self.start / 2
        # Whoever is in sight comes before whoever may be about to show up again, and a new face comes last.
        lately = [track for track in known if track.id and track.seen == self.looked]
        lost = [track for track in known if track.id and track.seen != self.looked]
        new = [track for track in known if not track.id]
        found, owners, self.looked = np.zeros(len(detections), np.int64), {}, now
        for tracks, wanted in ((lately, strong), (lost, strong), (lately, weak), (new, strong)):
            free = [track for track in tracks if track.seen != now]
            for track, row in self._matches(free, np.flatnonzero(wanted & (found == 0)), detections, now):
                track.update(detections.boxes[row], now)
                self._name(track)
                found[row], owners[row] = track.id, track
        for row in np.flatnonzero(strong & (found == 0)):
            owners[row] = Track(detections.boxes[row], detections.class_ids[row], now)
        self.tracks = [track for track in known if track.id] + [track for track in owners.values() if not track.id]
        return _faced(replace(detections, track_ids=found), owners, now)

    def _name(self, track):
        if not track.id:
            self.ids += 1
            track.id = self.ids

    def _matches(self, tracks, rows, detections, now):
        """Pairs of a track and a row, the best overlap first."""
        overlap = np.zeros((len(tracks), len(rows)))
        for index, track in enumerate(tracks):
            same = detections.class_ids[rows] == track.class_id
            overlap[index] = same * boxes.iou(_grown(track.at(now)[None])[0], _grown(detections.boxes[rows]))
        while overlap.size and overlap.max() >= LOWEST_IOU:
            index, column = np.unravel_index(overlap.argmax(), overlap.shape)
            overlap[index], overlap[:, column] = 0, 0
            yield tracks[index], rows[column]


class Track:
    """One instance: a Kalman filter with constant velocity over its centre and size.

    id: 0 until it was seen twice; seen: when last, in seconds. All four coordinates share one covariance, in units of
    the box's size.
    """

    def __init__(self, box, class_id, now):
        self.id, self.class_id, self.seen, self.facing = 0, class_id, now, Facing()
        self.state = np.stack([_measured(box), np.zeros(4)])  # [position, velocity] of centre x, y, width, height
        self.spread = np.diag([NOISE**2, 1.0])

    def at(self, now) -> np.ndarray:
        """The box where it should be: float [4]. Its size is the last one known."""
        centre, size = self.state[0, :2] + (now - self.seen) * self.state[1, :2], self.state[0, 2:]
        return np.concatenate([centre - size / 2, centre + size / 2])

    def within(self, size, now) -> bool:
        """Whether its centre should still be in a frame of this (width, height)."""
        box = self.at(now)
        return bool(np.all((0 <= box[:2] + box[2:]) & (box[:2] + box[2:] <= 2 * np.array(size))))

    def update(self, box, now):
        """Seen again, here."""
        gap, self.seen = now - self.seen, now
        step = np.array([[1, gap], [0, 1]])
        jolt = AGILITY**2 * np.array([[gap**3 / 3, gap**2 / 2], [gap**2 / 2, gap]])
        state, spread = step @ self.state, step @ self.spread @ step.T + jolt
        gain = spread[:, 0] / (spread[0, 0] + NOISE**2)
        self.state = state + np.outer(gain, _measured(box) - state[0])
        self.spread = spread - np.outer(gain, spread[0])


def _faced(detections, owners, now):
    """The same detections with each row's front and back as its track had them so far."""
    if detections.parts is None:
        return detections
    wrong = [row for row, track in owners.items() if track.facing(detections.parts[row], detections.grids[row], now)]
    parts, uv = detections.parts.copy(), detections.uv.copy()
    parts[wrong], uv[wrong] = turn(parts[wrong], uv[wrong])
    return replace(detections, parts=parts, uv=uv)


def _measured(box):
    return np.concatenate([(box[:2] + box[2:]) / 2, box[2:] - box[:2]]).astype(float)


def _grown(found):
    margin = REACH * (found[:, 2:] - found[:, :2])
    return np.concatenate([found[:, :2] - margin, found[:, 2:] + margin], axis=1)
