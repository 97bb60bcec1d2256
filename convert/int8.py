"""Int8 stages from float ones: calibrated, corrected, and written for both engines."""

import itertools

from edgemask import pictures
from edgemask.calibration.calibrate import Observed, Technique, observe
from edgemask.calibration.stage_inputs import stage_inputs
from edgemask.convert.bundle_writer import RuntimeStage
from edgemask.convert.quantise import IMAGE_SCALE, SHARED_LEVELS, write_qdq
from edgemask.convert.stages import int8_stages
from edgemask.errors import DatasetError
from edgemask.progress import progress

# Pictures whose activations are kept in memory for the corrections; a gigabyte or two.
CORRECTED_ON = 32


class Quantiser:
    """The stages of a float model, observed once on calibration pictures and quantised by any technique after."""

    def __init__(self, exported, model, paths, source):
        """exported: float stages (convert.export); model: the float model; paths: calibration pictures;
        source: what to call them in an error. Raises DatasetError when a stage saw nothing."""
        some = paths[:: max(1, len(paths) // CORRECTED_ON)][:CORRECTED_ON]
        self.observed = {
            stage.name: self._observe(stage, model, paths, some, source)
            for stage in progress(exported, "observing stages")
        }
        self.done = {}

    def quantise(self, plan: dict[str, Technique]) -> list[RuntimeStage]:
        """Every stage by its technique, for every engine; the heads take the levels' scale as it comes."""
        stages, levels = [], None
        for name, observed in self.observed.items():
            fixed = {"image": IMAGE_SCALE} if levels is None else {"rois": levels}
            key = name, plan[name], levels
            if key not in self.done:
                self.done[key] = self._quantised(name, observed, plan[name], fixed)
            scales, written = self.done[key]
            levels = levels or scales["p3"]
            stages += written
        return stages

    def _observe(self, stage, model, paths, some, source) -> Observed:
        every, few = (stage_inputs(model, stage.name, map(pictures.read, these)) for these in (paths, some))
        first = next(every, None)
        kept = list(few)
        if first is None or not kept:
            raise DatasetError(f"{source}: nothing was detected in its pictures, so stage {stage.name} has nothing to calibrate on")
        tied = (SHARED_LEVELS,) if stage.name == "trunk" else ()
        return observe(stage.model, itertools.chain([first], every), kept, tied)

    def _quantised(self, name, observed, technique, fixed):
        found = observed.calibrate(technique, fixed)
        return found.scales, int8_stages(name, write_qdq(found.model, found.scales, found.weight_scales), found.scales)
