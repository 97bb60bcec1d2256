"""Batches of pictures: BATCH scenes, drawn and written together because bodies are cheapest in numbers."""

import dataclasses
import functools
import json
import resource
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgemask.convert.body import annotate, effects, people, scene
from edgemask.convert.body.backgrounds import Backgrounds
from edgemask.convert.body.draw import Drawn, Renderer
from edgemask.files import replacing

BATCH = 8  # Pictures; fixed, because sums over a batch of another size could round otherwise and the bytes would not repeat.
SMALLEST = 64  # Of whom fewer pixels are seen is taken out of the picture: nobody could label them.
PARTS = "people.parts"  # The folder of finished batches' annotations.


@dataclass(frozen=True)
class Work:
    """What makes a set's pictures: they are the same for the same work."""

    folder: Path
    seed: int
    families: tuple[str, ...]
    backgrounds: Path | None


@functools.cache
def _tools(backgrounds):
    """One renderer and one list of photographs a process."""
    import torch

    torch.set_num_threads(1)
    return Renderer(), Backgrounds(backgrounds)


def scenes(work: Work, number: int, spent: Counter | None = None):
    """The scenes of batch `number` with what is drawn of them: (random generator as the scene left it, Scene, Drawn) each."""
    spent = Counter() if spent is None else spent
    renderer, photograph = _tools(work.backgrounds)
    randoms = [np.random.default_rng([work.seed, number * BATCH + index]) for index in range(BATCH)]
    casts = [scene.cast(random, work.families) for random in randoms]
    with _timed(spent, "bodies"):
        everybody = iter(people.bodies([person for one in casts for person in one.people]))
    for random, one in zip(randoms, casts):
        with _timed(spent, "scenes"):
            staged = scene.stage(random, one, [next(everybody) for _ in one.people], photograph)
        with _timed(spent, "drawing"):
            staged, drawn = _seen(renderer, staged)
        yield random, staged, drawn


def _seen(renderer, staged) -> tuple[scene.Scene, Drawn]:
    """The scene without those of whom next to nothing is seen."""
    while True:
        drawn = renderer.draw(staged)
        pixels = np.bincount(drawn.who.reshape(-1), minlength=len(staged.bodies) + 1)[1:]
        if (pixels >= SMALLEST).all():
            return staged, drawn
        staged = dataclasses.replace(staged, bodies=[body for body, count in zip(staged.bodies, pixels) if count >= SMALLEST])


def write(work: Work, number: int) -> dict:
    """Pictures, IUV pictures and annotations of a batch, the annotations last; how many people, seconds by stage and the
    process's peak memory."""
    spent, images, annotations = Counter(), [], []
    for index, (random, staged, drawn) in enumerate(scenes(work, number, spent)):
        image_id = number * BATCH + index + 1
        name = f"{image_id:06}"
        with _timed(spent, "camera"):
            picture = effects.jpeg(effects.photographed(drawn.rgb, random), random)
        with _timed(spent, "writing"):
            _put(work.folder / "people" / f"{name}.jpg", picture)
            _put(work.folder / "people_iuv" / f"{name}.png", annotate.iuv(drawn))
            images.append({"id": image_id, "file_name": f"{name}.jpg", "width": staged.camera.width,
            "height": staged.camera.height,
                           "iuv": f"people_iuv/{name}.png", "view": staged.view})  # fmt: skip
            annotations += [{"id": 8 * image_id + place, "image_id": image_id, **annotate.annotation(staged, drawn, place)}
                            for place in range(len(staged.bodies))]  # fmt: skip
    _put(part(work, number), json.dumps({"images": images, "annotations": annotations}).encode())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"people": len(annotations), "spent": dict(spent), "peak_mib": peak}


def part(work: Work, number: int) -> Path:
    """The file that says that a batch is finished."""
    return work.folder / PARTS / f"{number:05}.json"


def _put(path, content):
    with replacing(path) as temporary:
        temporary.write_bytes(content)


class _timed:
    """Adds the block's seconds of this process's CPU, all threads, to a counter."""

    def __init__(self, spent, stage):
        self.spent, self.stage = spent, stage

    def __enter__(self):
        self.start = time.process_time()

    def __exit__(self, *_):
        self.spent[self.stage] += time.process_time() - self.start
