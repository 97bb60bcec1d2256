"""From a checkpoint to bundles: export, checks, calibration, int8, accuracy."""

import tempfile
from importlib import metadata
from pathlib import Path

from edgemask import pictures
from edgemask.agreement import agreement
from edgemask.bundle import Bundle, float_sibling
from edgemask.calibration.exact_adds import exact_adds
from edgemask.calibration.pictures import choose
from edgemask.calibration.ranges import min_max, scales
from edgemask.calibration.stage_inputs import nchw, stage_inputs
from edgemask.convert.bundle_writer import describe, write_bundle
from edgemask.convert.checkpoint import load_checkpoint
from edgemask.convert.export import check_stage, export_stages
from edgemask.convert.quantise import IMAGE_SCALE, SHARED_LEVELS, write_qdq
from edgemask.convert.stages import float_stage, int8_stages
from edgemask.engines import ENGINES
from edgemask.errors import DatasetError
from edgemask.evaluate import evaluate
from edgemask.letterbox import letterbox
from edgemask.manifest import STAGES
from edgemask.model import Model
from edgemask.progress import progress

PICTURES = 192  # two in three give the ranges, the others measure int8 against float
TOOLS = ("torch", "onnx", "onnxruntime", "ai-edge-litert", "numpy")
ASTRONAUT = Path(pictures.__file__).parent / "data" / "astronaut.jpg"


class Conversion:
    """One checkpoint at one input size on its way to bundles.

    >>> with Conversion("person_v1.safetensors", 320, 320) as conversion:
    ...     conversion.to_int8("pictures/")
    ...     conversion.write("person-320.edgemask")

    Raises CheckpointError, DatasetError, SourceError, or ConversionError when a network
    does not compute what torch does.
    """

    def __init__(self, checkpoint, width: int, height: int, threads: int = 2):
        self.threads = threads
        self.checkpoint = load_checkpoint(checkpoint)
        self.exported = export_stages(self.checkpoint.network, width, height)
        self.manifest = {
            **describe(self.checkpoint.classes, width, height),
            "licence": self.checkpoint.licence,
            "source": {
                "checkpoint": self.checkpoint.file,
                "sha256": self.checkpoint.sha256,
                "tools": {name: metadata.version(name) for name in TOOLS},
            },
        }
        self.folder = tempfile.TemporaryDirectory(prefix="edgemask-")
        self.stages = {"float": [float_stage(stage.name, stage.model) for stage in self.exported]}
        self.summary = {"float": {}}
        self.models = {"float": self._model("float", "onnx")}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def check(self, source=None) -> dict[str, float]:
        """Worst difference of each float stage between ONNX Runtime and torch, relative to a tensor's largest
        value, on real pictures (four of a calibration set, or the shipped one) and their proposals."""
        model, worst = self.models["float"], dict.fromkeys(STAGES, 0.0)
        for rgb in map(pictures.read, choose(source, 4) if source else [ASTRONAUT]):
            trunk = model.engines["trunk"](letterbox(rgb, model.width, model.height, model.pad)[0][None])
            proposals = model.proposals(trunk)
            batches = {stage: nchw(model.pool(trunk, proposals, model.roi[stage])) for stage in ("box", "mask")}
            batches["trunk"] = next(stage_inputs(model, "trunk", [rgb]))
            for stage in self.exported:
                worst[stage.name] = max(worst[stage.name], check_stage(stage, batches[stage.name]))
        return worst

    def to_int8(self, source) -> dict[str, dict]:
        """Calibrate on a folder or COCO json and quantise; returns how both engines agree with float and with each
        other on pictures that took no part in the ranges (edgemask.agreement)."""
        chosen = choose(source, PICTURES)
        compared = chosen[::3]
        used = [path for path in chosen if path not in compared] or chosen
        quantised, levels = [], None
        for stage in self.exported:
            found = scales(self._ranges(stage, used, source), tied=[SHARED_LEVELS] if levels is None else [])
            found = exact_adds(stage.model, found) | ({"image": IMAGE_SCALE} if levels is None else {"rois": levels})
            levels = levels or found["p3"]
            quantised += int8_stages(stage.name, write_qdq(stage.model, found), found)
        self.stages["int8"] = quantised
        self.summary["int8"] = {"calibration": {"set": Path(source).name, "pictures": len(used), "ranges": "min-max"}}
        self.models |= {engine: self._model("int8", engine) for engine in ENGINES}
        int8 = {engine: self.models[engine] for engine in ENGINES}
        rgbs = map(pictures.read, progress(compared, "int8 against float"))
        found = agreement(self.models["float"], int8, rgbs)
        self.summary["int8"]["agreement"] = {"outputs": found, "pictures": len(compared)}
        return found

    def _ranges(self, stage, paths, source):
        rgbs = map(pictures.read, progress(paths, f"ranges of {stage.name}"))
        try:
            return min_max(stage.model, stage_inputs(self.models["float"], stage.name, rgbs))
        except ValueError as error:
            raise DatasetError(
                f"{source}: nothing was detected in its pictures, so stage {stage.name} has nothing to calibrate on"
            ) from error

    def measure(self, annotations) -> dict[str, dict]:
        """COCO accuracy of float and of every int8 engine, kept for the manifests."""
        results = {}
        for name, model in self.models.items():
            label = f"accuracy {name}"
            results[name] = evaluate(model, annotations, progress=lambda ids, label=label: progress(ids, label)).summary
            precision = model.bundle.manifest["precision"]
            self.summary[precision].setdefault("accuracy", []).append(results[name])
        return results

    def write(self, path) -> list[Path]:
        """Write the int8 bundle to `path` and the float one beside it (the float one to `path` when it is alone)."""
        path = Path(path)
        float_path = float_sibling(path) if "int8" in self.stages else path
        paths = {"float": float_path, "int8": path}
        for precision in self.stages:
            self._write(precision, paths[precision], self.summary[precision])
        return [paths[precision] for precision in self.stages]

    def _model(self, precision, engine):
        path = Path(self.folder.name) / f"{precision}.edgemask"
        self._write(precision, path, {})
        return Model(Bundle(path), engine, self.threads)

    def _write(self, precision, path, summary):
        manifest = {**self.manifest, "name": path.stem, "precision": precision, **summary}
        write_bundle(path, manifest, self.stages[precision])

