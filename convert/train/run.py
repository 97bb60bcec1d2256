"""A run with everything around it: the set checked, progress, states, accuracy, the best checkpoint."""

import os
import sys
import time
from pathlib import Path

from edgemask import coco
from edgemask.convert.body.samples import LabelSet
from edgemask.convert.checkpoint import save_checkpoint
from edgemask.convert.conversion import Conversion
from edgemask.convert.train.curves import Curves
from edgemask.convert.train.dataset import category_names, read_pictures
from edgemask.convert.train.quantised import last_step
from edgemask.convert.train.recipe import read_recipe
from edgemask.convert.train.start import starting_network
from edgemask.convert.train.trainer import Pace, Trainer, pace, place
from edgemask.errors import DatasetError, OptionError
from edgemask.evaluate import evaluate
from edgemask.files import replacing
from edgemask.progress import Line
from edgemask.stopping import stopping

BEST, LAST = "best.safetensors", "last.safetensors"


def train(options) -> int:
    """Train as the command line's options say; the exit code. Raises EdgemaskError."""
    recipe = read_recipe(options.recipe)
    classes = recipe.classes or category_names(recipe.train[0])
    coco.read_truth(recipe.val)
    for path in (recipe.train[0], recipe.val):
        if absent := sorted(set(classes) - set(category_names(path))):
            raise DatasetError(f"{path} has no category {absent[0]!r}")
    pictures, note = read_pictures(recipe.train, classes, options.leave_out)
    bodies = [LabelSet(path) for path in recipe.dense] + [LabelSet(path, weak=True) for path in recipe.weak]
    network, taken = starting_network(recipe.start, len(classes), recipe.seed, dense=bool(bodies), keep=recipe.heads)
    here = place(options.device, os.environ)
    for name in ("batch", "bodies"):
        if getattr(recipe, name) % here.world:
            raise OptionError(f"{options.recipe}: {name} = {getattr(recipe, name)} cannot be shared by {here.world} processes")
    options.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, network, classes, here)
    resumed = trainer.resume(options.out)
    if here.first:
        objects = sum(len(one.instances) for one in pictures)
        print(note or f"{len(pictures)} pictures, {objects} objects of {', '.join(classes)}")
        print(f"goes on from iteration {trainer.iteration}" if resumed else taken)
    Run(trainer, classes, options.out).run(pictures, bodies, options.workers)
    return 0


class Run:
    """One training run in its folder."""

    def __init__(self, trainer: Trainer, classes, folder: Path):
        self.trainer, self.recipe, self.classes, self.folder = trainer, trainer.recipe, classes, folder
        self.curves = Curves(folder, trainer.iteration) if trainer.place.first else None
        self.begun = self.saved = self.measured = time.monotonic()
        self.stopped = False

    def run(self, pictures, bodies, workers: int):
        """Train to the end, or until a signal; only the first process writes."""
        speed = Pace(self.trainer)
        with stopping(self._stop), Line() as line:
            for losses in self.trainer.steps(pictures, bodies, workers):
                if self.trainer.place.first:
                    self._after(losses, line, speed)
                if self.stopped:
                    break
        if self.trainer.place.first:
            finished = self.trainer.iteration == self.recipe.iterations
            self.trainer.save(self.folder)
            if finished:
                self._measure()
            if finished and self.recipe.quantised:
                print(last_step(self.folder / BEST, self.recipe, pictures, self.classes, workers))
            stopped = f"stopped after iteration {self.trainer.iteration}: the same command goes on"
            print(f"wrote {self.folder / BEST}" if finished else stopped)

    def _stop(self):
        self.stopped = True

    def _after(self, losses, line, speed):
        iteration, now = self.trainer.iteration, time.monotonic()
        self.curves.loss(iteration, self.recipe.rate * pace(iteration, self.recipe), losses)
        if line.due():
            line.say(f"iteration {iteration}/{self.recipe.iterations}, loss {sum(losses.values()):.3f}, {speed}")
        if due := now - self.measured > 60 * self.recipe.val_minutes:
            self._measure()
            self.measured = time.monotonic()
        if due or now - self.saved > 60 * self.recipe.save_minutes:
            self.trainer.save(self.folder)
            self.saved = time.monotonic()

    def _measure(self):
        """Accuracy of the average as the product has it: exported, in ONNX Runtime, by pycocotools; the best is kept."""
        last = self.folder / LAST
        save_checkpoint(self.trainer.average, self.classes, last, self.recipe.licence, recipe=self.recipe.sha256)
        with Conversion(last, *self.recipe.input) as conversion:
            summary = evaluate(conversion.models["float"], self.recipe.val).summary
        iteration, minutes = self.trainer.iteration, (time.monotonic() - self.begun) / 60
        self.curves.accuracy(iteration, minutes, summary)
        figures = "  ".join(f"{kind} {name} {summary[kind][name]:.1f}" for kind in ("box", "mask") for name in ("AP", "AP50"))
        print(f"iteration {iteration}: {figures}", file=sys.stderr)
        if summary["mask"]["AP"] > self.trainer.best:
            self.trainer.best = summary["mask"]["AP"]
            with replacing(self.folder / BEST) as temporary:
                temporary.write_bytes(last.read_bytes())
