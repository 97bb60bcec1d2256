"""From a checkpoint to bundles: export, checks, calibration, int8, accuracy."""

import tempfile
from importlib import metadata
from pathlib import Path

from edgemask import pictures
from edgemask.bundle import Bundle, float_sibling
from edgemask.calibration.pictures import choose
from edgemask.calibration.ranges import min_max, scales
from edgemask.calibration.stage_inputs import nchw, stage_inputs
from edgemask.convert import kernels
from edgemask.convert.bundle_writer import RuntimeStage, describe, write_bundle
from edgemask.convert.checkpoint import load_checkpoint
from edgemask.convert.difference import signal_to_noise
from edgemask.convert.export import check_stage, export_stages
from edgemask.convert.quantise import IMAGE_SCALE, SHARED_LEVELS, write_qdq
from edgemask.convert.runtime_graph import float_graph, quantised_graph
from edgemask.errors import DatasetError
from edgemask.evaluate import evaluate
from edgemask.letterbox import letterbox
from edgemask.manifest import STAGES
from edgemask.model import Model
from edgemask.progress import progress

PICTURES = 144  # one in nine is kept out of the ranges, for measuring int8 against float
TOOLS = ("torch", "onnx", "onnxruntime", "numpy")
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
        graphs = {stage.name: float_graph(stage.model) for stage in self.exported}
        self.stages = {"float": [_runtime(name, graph, {}) for name, graph in graphs.items()]}
        self.summary = {"float": {}}
        self.models = {"float": self._model("float")}

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

    def to_int8(self, source) -> dict[str, float]:
        """Calibrate on a folder or COCO json and quantise; returns the SQNR in dB of every output."""
        chosen = choose(source, PICTURES)
        compared = chosen[::9]
        used = [path for path in chosen if path not in compared] or chosen
        model = self.models["float"]
        quantised, levels = [], None
        for stage in self.exported:
            rgbs = map(pictures.read, progress(used, f"ranges of {stage.name}"))
            try:
                ranges = min_max(stage.model, stage_inputs(model, stage.name, rgbs))
            except ValueError as error:
                raise DatasetError(f"{source}: nothing was detected in its pictures, so stage {stage.name} "
                                   "has nothing to calibrate on") from error  # fmt: skip
            found = scales(ranges, tied=[SHARED_LEVELS] if stage.name == "trunk" else [])
            found |= {"image": IMAGE_SCALE} if levels is None else {"rois": levels}
            levels = levels or found["p3"]
            quantised.append(_runtime(stage.name, quantised_graph(write_qdq(stage.model, found)), found))
        self.stages["int8"] = quantised
        self.summary["int8"] = {"calibration": {"set": Path(source).name, "pictures": len(used), "ranges": "min-max"}}
        self.models["int8"] = self._model("int8")
        difference = signal_to_noise(model, self.models["int8"], map(pictures.read, compared))
        self.summary["int8"]["difference"] = {"sqnr_db": difference, "pictures": len(compared)}
        return difference

    def measure(self, annotations) -> dict[str, dict]:
        """COCO accuracy of every precision, kept for the manifest."""
        for precision, model in self.models.items():
            result = evaluate(model, annotations, progress=lambda ids: progress(ids, f"accuracy {precision}"))
            self.summary[precision]["accuracy"] = result
        return {precision: summary["accuracy"] for precision, summary in self.summary.items()}

    def write(self, path) -> list[Path]:
        """Write the int8 bundle to `path` and the float one beside it (the float one to `path` when it is alone)."""
        path = Path(path)
        float_path = float_sibling(path) if "int8" in self.stages else path
        paths = {"float": float_path, "int8": path}
        for precision in self.stages:
            self._write(precision, paths[precision], self.summary[precision])
        return [paths[precision] for precision in self.stages]

    def _model(self, precision):
        path = Path(self.folder.name) / f"{precision}.edgemask"
        self._write(precision, path, {})
        return Model(Bundle(path), threads=self.threads)

    def _write(self, precision, path, summary):
        manifest = {**self.manifest, "name": path.stem, "precision": precision, **summary}
        write_bundle(path, manifest, self.stages[precision])


def _runtime(name, graph, found):
    return RuntimeStage(name, graph, found, kernels.count(graph.SerializeToString()))
