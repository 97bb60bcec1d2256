"""From a checkpoint to bundles: export, checks, calibration, int8, accuracy."""

import tempfile
from importlib import metadata
from pathlib import Path

from edgemask import pictures
from edgemask.agreement import agreement
from edgemask.bundle import Bundle, float_sibling
from edgemask.calibration.calibrate import Technique
from edgemask.calibration.pictures import choose
from edgemask.calibration.stage_inputs import nchw, stage_inputs
from edgemask.convert.bundle_writer import describe, write_bundle
from edgemask.convert.checkpoint import load_checkpoint
from edgemask.convert.export import check_stage, export_stages
from edgemask.convert.int8 import Quantiser
from edgemask.convert.stages import float_stage
from edgemask.engines import ENGINES
from edgemask.evaluate import KINDS, Evaluation, difference, evaluate
from edgemask.letterbox import letterbox
from edgemask.model import Model
from edgemask.progress import progress

PICTURES = 192  # two in three give the ranges, the others measure int8 against float
TOOLS = ("torch", "onnx", "onnxruntime", "ai-edge-litert", "numpy")
ASTRONAUT = Path(pictures.__file__).parent / "data" / "astronaut.jpg"


class Conversion:
    """One checkpoint at one input size on its way to bundles.

    >>> with Conversion("person_v8.safetensors", 320, 320) as conversion:
    ...     conversion.to_int8("pictures/")
    ...     conversion.write("person-320.edgemask")

    Raises CheckpointError, DatasetError, SourceError, or ConversionError when a network
    does not compute what torch does.
    """

    def __init__(self, checkpoint, width: int, height: int, threads: int = 2):
        self.threads = threads
        self.checkpoint = load_checkpoint(checkpoint)
        self.dense = self.checkpoint.network.dense is not None
        self.exported = export_stages(self.checkpoint.network, width, height)
        self.names = [stage.name for stage in self.exported]
        self.manifest = {
            **describe(self.checkpoint.classes, width, height, self.dense),
            "licence": self.checkpoint.licence,
            "source": {
                "checkpoint": self.checkpoint.file,
                "sha256": self.checkpoint.sha256,
                "tools": {name: metadata.version(name) for name in TOOLS},
            },
        }
        self.folder = tempfile.TemporaryDirectory(prefix="edgemask-")
        self.stages = {"float": [float_stage(stage.name, stage.model) for stage in self.exported]}
        self.models, self.measured = {"float": self._model("float", "onnx")}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def check(self, source=None) -> dict[str, float]:
        """Worst difference of each float stage between ONNX Runtime and torch, relative to a tensor's largest
        value, on real pictures (four of a calibration set, or the shipped one) and their proposals."""
        model, worst = self.models["float"], dict.fromkeys(self.names, 0.0)
        for rgb in choose(source or ASTRONAUT.parent, 4):
            trunk = model.engines["trunk"](letterbox(rgb, model.width, model.height, model.pad)[0][None])
            proposals = model.proposals(trunk)
            batches = {stage: nchw(model.pool(trunk, proposals, stage)) for stage in self.names[1:]}
            batches["trunk"] = next(stage_inputs(model, "trunk", [rgb]))
            for stage in self.exported:
                worst[stage.name] = max(worst[stage.name], check_stage(stage, batches[stage.name]))
        return worst

    def to_int8(self, source):
        """Calibrate on a folder, a video or a COCO json and quantise, each stage with the ranges that serve its
        outputs better on pictures that took no part."""
        self.observe(source)
        found = {}
        for technique in progress([Technique(mse, True, True) for mse in (False, True)], "quantising"):
            self.quantise(dict.fromkeys(self.names, technique), ("tflite",))
            found[technique] = self.decibels()
        self.quantise({stage: max(found, key=lambda one, stage=stage: found[one][stage]) for stage in self.names})

    def observe(self, source):
        """Look at a calibration set, so that `quantise` can follow any plan."""
        self.chosen = choose(source, PICTURES)
        self.used, self.compared = self.chosen.split(3)
        self.quantiser = Quantiser(self.exported, self.models["float"], self.used)

    def quantise(self, plan: dict[str, Technique], engines=ENGINES):
        """Quantise each stage by its technique; `agreed` then says how these engines agree with float, and with each
        other, on pictures that took no part (edgemask.agreement)."""
        self.plan, self.stages["int8"] = plan, self.quantiser.quantise(plan)
        self.models |= {engine: self._model("int8", engine) for engine in engines}
        self.agreed = agreement(self.models["float"], {name: self.models[name] for name in engines}, self.compared)

    def decibels(self) -> dict[str, float]:
        """Mean SQNR of each int8 stage's outputs on LiteRT, on pictures that took no part."""
        outputs = {stage: [info.name for info in self.models["float"].bundle.tensors(stage, "onnx")[1]] for stage in self.names}
        return {
            stage: round(sum(self.agreed[name]["tflite"]["sqnr_db"] for name in names) / len(names), 2)
            for stage, names in outputs.items()
        }

    def measure(self, annotations, names=None) -> dict[str, Evaluation]:
        """COCO accuracy of the named models, of float and of every int8 engine when None; kept for the manifests."""
        for name in names or self.models:
            self.measured[name] = evaluate(
                self.models[name], annotations, progress=lambda ids, name=name: progress(ids, f"accuracy {name}")
            )
        return self.measured

    def drops(self) -> list[dict]:
        """What int8 lost against float in AP points, with its 95 % interval, by engine and kind; after `measure`."""
        return [
            {"engine": engine, "kind": kind, "drop": -gap, "low": -high, "high": -low}
            for engine in ENGINES
            for kind in KINDS
            for gap, low, high in [difference(self.measured[engine], self.measured["float"], kind)]
        ]

    def write(self, path) -> list[Path]:
        """Write the int8 bundle to `path` and the float one beside it (the float one to `path` when it is alone)."""
        path = Path(path)
        paths = {"float": float_sibling(path) if "int8" in self.stages else path, "int8": path}
        for precision in self.stages:
            self._write(precision, paths[precision], self.summary(precision))
        return [paths[precision] for precision in self.stages]

    def summary(self, precision: str) -> dict:
        """What the manifest says of calibration, agreement and accuracy."""
        names = ENGINES if precision == "int8" else ("float",)
        accuracy = [self.measured[name].summary for name in names if name in self.measured]
        found = {"accuracy": accuracy} if accuracy else {}
        if precision == "int8":
            found["calibration"] = {
                "set": self.chosen.name,
                "pictures": len(self.used),
                "chosen": self.chosen.note,
                "ranges": "; ".join(f"{stage}: {technique}" for stage, technique in self.plan.items()),
            }
            found["agreement"] = {"outputs": self.agreed, "pictures": len(self.compared)}
        return found

    def _model(self, precision, engine):
        path = Path(self.folder.name) / f"{precision}.edgemask"
        self._write(precision, path, {})
        return Model(Bundle(path), engine, self.threads, self.dense)

    def _write(self, precision, path, summary):
        manifest = {**self.manifest, "name": path.stem, "precision": precision, **summary}
        write_bundle(path, manifest, self.stages[precision])
