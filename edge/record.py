"""The record: one JSON object a frame, the same on every sink. Fields are only ever added."""

import json

from edgemask.cameras.frame import Frame
from edgemask.detections import Detections

SCHEMA = "edgemask.frame/1"


def frame_record(frame: Frame, detections: Detections) -> dict:
    """What one frame shows; `[{"image_id": …, **d} for d in record["detections"]]` loads in pycocotools."""
    return {
        "schema": SCHEMA,
        "source": frame.source,
        "frame": frame.number,
        "time": timestamp(frame),
        "size": list(detections.size),
        "detections": detections.coco(),
        "ms": {part: round(value, 2) for part, value in detections.ms.items()},
        "age_ms": frame.age_ms,
        "capture_age_ms": frame.capture_age_ms,
        "dropped": frame.dropped,
    }


def record_line(frame: Frame, detections: Detections) -> bytes:
    """The record as a line of JSON, with its newline."""
    return json.dumps(frame_record(frame, detections)).encode() + b"\n"


def timestamp(frame: Frame) -> str:
    """When the frame was captured, as `2026-11-24T10:00:00.123Z`."""
    return frame.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
