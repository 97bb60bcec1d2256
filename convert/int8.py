"""Int8 stages from float ones: calibrated, corrected, and written for both engines."""

import itertools

from edgemask.calibration.calibrate import Calibrated, Observed, Technique, observe
from edgemask.calibration.pictures import CalibrationSet
from edgemask.calibration.stage_inputs import stage_inputs
from edgemask.convert.bundle_writer import RuntimeStage
from edgemask.convert.quantise import IMAGE_SCALE, SHARED_LEVELS, UV_SCALES, write_qdq
from edgemask.convert.sensitivity import last_layers, sensitivity
from edgemask.convert.stages import int8_stages
from edgemask.errors import DatasetError
from edgemask.manifest import DENSE
from edgemask.progress import progress

# Pictures whose activations are kept in memory for the corrections; a gigabyte or two.
CORRECTED_ON = 32


class Quantiser:
    """The stages of a float model, observed once on calibration pictures and quantised by any technique after."""

    def __init__(self, exported, model, pictures: CalibrationSet):
        """exported: float stages (convert.export); model: the float model. Raises DatasetError when a stage saw nothing."""
        self.observed = {stage.name: _observe(stage, model, pictures) for stage in progress(exported, "observing stages")}
        self.done = {}

    def quantise(self, plan: dict[str, Technique]) -> list[RuntimeStage]:
        """Every stage by its technique, for every engine; the heads take the levels' scale as it comes."""
        stages, levels = [], None
        for name, observed in self.observed.items():
            fixed = {"image": IMAGE_SCALE} if levels is None else {"rois": levels}
            fixed |= UV_SCALES if name == DENSE else {}
            key = name, plan[name], levels
            if key not in self.done:
                self.done[key] = self._quantised(name, observed, plan[name], fixed)
            calibrated, written = self.done[key]
            levels = levels or calibrated.scales["p3"]
            stages += written
        return stages

    def sensitivity(self, plan: dict[str, Technique]) -> dict[str, list[dict]]:
        """Which layers quantisation hurts, by stage (convert.sensitivity); after `quantise` by this plan."""
        return {name: sensitivity(name, self.observed[name], scales) for name, scales in self._scales(plan).items()}

    def last_layers(self, plan: dict[str, Technique]) -> list[tuple[str, tuple[str, ...]]]:
        """(Stage, outputs) of each layer that may stay in float, those that int8 hurts most first; after `quantise`
        by this plan."""
        found = []
        for name, scales in self._scales(plan).items():
            last = last_layers(self.observed[name])
            rows = sensitivity(name, self.observed[name], scales, last)
            found += [(row["without_db"], name, outputs) for row, outputs in zip(rows, last.values(), strict=True)]
        return [(name, outputs) for _, name, outputs in sorted(found, key=lambda one: -one[0])]

    def calibrated(self, plan: dict[str, Technique]) -> dict[str, Calibrated]:
        """Scales and corrected weights by stage; after `quantise` by this plan."""
        found, levels = {}, None
        for name in self.observed:
            found[name] = self.done[name, plan[name], levels][0]
            levels = levels or found[name].scales["p3"]
        return found

    def _scales(self, plan):
        return {name: one.scales for name, one in self.calibrated(plan).items()}

    def _quantised(self, name, observed, technique, fixed):
        found = observed.calibrate(technique, fixed)
        return found, int8_stages(name, write_qdq(found.model, found.scales, found.weight_scales), found.scales)


def _observe(stage, model, pictures) -> Observed:
    every, few = (stage_inputs(model, stage.name, these) for these in (pictures, pictures.spread(CORRECTED_ON)))
    first, kept = next(every, None), list(few)
    if first is None or not kept:
        raise DatasetError(
            f"{pictures.name}: nothing was detected in its pictures, so stage {stage.name} has nothing to calibrate on"
        )
    tied = (SHARED_LEVELS,) if stage.name == "trunk" else ()
    return observe(stage.model, itertools.chain([first], every), kept, tied)
