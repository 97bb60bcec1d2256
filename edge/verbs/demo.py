"""edgemask demo: masks, or body parts, on a picture and on a clip made from it."""

import sys
from pathlib import Path

import cv2
import numpy as np

import edgemask
from edgemask import pictures
from edgemask.arguments import parser
from edgemask.bundle import SHIPPED
from edgemask.cameras import open_camera
from edgemask.painting import painter
from edgemask.sinks.jsonl import JsonLines
from edgemask.sinks.overlay import Overlays
from edgemask.verbs.run import segment
from edgemask.video_file import writing_video

# Eileen Collins, NASA, public domain; the picture scikit-image ships as `astronaut`.
ASTRONAUT = SHIPPED.parent / "astronaut.jpg"
CLIP_SIZE, CLIP_FPS, CLIP_FRAMES = (480, 360), 15, 60


def main(arguments) -> int:
    """The verb."""
    it = parser("demo", "Segment a picture and a clip that come with edgemask.", "edgemask demo")
    it.add_argument("--out", default=Path("edgemask-demo"), type=Path, metavar="DIR", help="default edgemask-demo")
    it.add_argument("--dense", action="store_true", help="show body parts")
    it.add_argument("--bundle", default=SHIPPED, metavar="FILE", help="default: the shipped person model")
    options = it.parse_args(arguments)
    model, paint = edgemask.load(options.bundle, dense=options.dense), painter("parts" if options.dense else "masks")
    clip = options.out / "astronaut-clip.mp4"
    pan_and_zoom(pictures.read(ASTRONAUT), clip)
    for source in (ASTRONAUT, clip):
        records = JsonLines(options.out / f"{source.stem}.jsonl")
        overlays = Overlays(options.out, paint)
        segment(open_camera(source), model, [records, overlays])
        print(f"open {overlays.paths[0]}", file=sys.stderr)
    return 0


def pan_and_zoom(rgb: np.ndarray, path):
    """Write a clip that wanders over a picture while zooming in and out."""
    height, width = rgb.shape[:2]
    with writing_video(path, CLIP_FPS, CLIP_SIZE) as append:
        for turn in np.linspace(0, 2 * np.pi, CLIP_FRAMES, endpoint=False):
            zoom = 0.85 + 0.15 * np.cos(turn)
            crop = width * zoom, width * zoom * CLIP_SIZE[1] / CLIP_SIZE[0]
            left = (width - crop[0]) * (0.5 + 0.5 * np.sin(turn))
            top = (height - crop[1]) * (0.3 + 0.3 * np.sin(2 * turn))
            scale = crop[0] / CLIP_SIZE[0]
            window = np.array([[scale, 0, left], [0, scale, top]], np.float32)
            append(cv2.warpAffine(rgb, window, CLIP_SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
