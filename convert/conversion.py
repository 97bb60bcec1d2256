"""From a checkpoint to bundles: export, checks, calibration, int8, accuracy."""

import tempfile
from importlib import metadata
from pathlib import Path

from edgemask import pictures
from edgemask.agreement import agreement
from edgemask.bundle import Bundle, float_sibling
from edgemask.calibration.calibrate import TECHNIQUES, Technique
from edgemask.calibration.pictures import choose
from edgemask.calibration.stage_inputs import nchw, stage_inputs
from edgemask.convert.bundle_writer import describe, write_bundle
from edgemask.convert.checkpoint import load_checkpoint
from edgemask.convert.export import check_stage, export_stages
from edgemask.convert.int8 import Quantiser
from edgemask.convert.report import worst_pictures, write_report
from edgemask.convert.stages import float_stage
from edgemask.engines import ENGINES
from edgemask.evaluate import KINDS, difference, evaluate
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
        self.models, self.measured = {"float": self._model("float", "onnx")}, {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.folder.cleanup()

    def check(self, source=None) -> dict[str, float]:
        """Worst difference of each float stage between ONNX Runtime and torch, relative to a tensor's largest
        value, on real pictures (four of a calibration set, or the shipped one) and their proposals."""
        model, worst = self.models["float"], dict.fromkeys(STAGES, 0.0)
        for rgb in choose(source or ASTRONAUT.parent, 4):
            trunk = model.engines["trunk"](letterbox(rgb, model.width, model.height, model.pad)[0][None])
            proposals = model.proposals(trunk)
            batches = {stage: nchw(model.pool(trunk, proposals, model.roi[stage])) for stage in ("box", "mask")}
            batches["trunk"] = next(stage_inputs(model, "trunk", [rgb]))
            for stage in self.exported:
                worst[stage.name] = max(worst[stage.name], check_stage(stage, batches[stage.name]))
        return worst

    def to_int8(self, source) -> dict[str, dict]:
        """Calibrate on a folder, a video or a COCO json and quantise, each stage with the ranges that serve its
        outputs better; returns how both engines agree with float and with each other on pictures that took no part
        (edgemask.agreement)."""
        chosen = choose(source, PICTURES)
        used, self.compared = chosen.split(3)
        self.quantiser = Quantiser(self.exported, self.models["float"], used)
        found = {}
        for technique in progress([Technique(mse, True, True) for mse in (False, True)], "quantising"):
            found[technique] = self._try(dict.fromkeys(STAGES, technique), ("tflite",))
        self.plan = {stage: max(found, key=lambda one, stage=stage: self._decibels(found[one], stage)) for stage in STAGES}
        agreed = self._try(self.plan, ENGINES)
        self.summary["int8"] = {
            "calibration": {
                "set": chosen.name,
                "pictures": len(used),
                "chosen": chosen.note,
                "ranges": "; ".join(f"{stage}: {technique}" for stage, technique in self.plan.items()),
            },
            "agreement": {"outputs": agreed, "pictures": len(self.compared)},
        }
        return agreed

    def _try(self, plan, engines):
        """Quantise by a plan, and compare the result with float on the unseen pictures."""
        self.stages["int8"] = self.quantiser.quantise(plan)
        self.models |= {engine: self._model("int8", engine) for engine in engines}
        int8 = {engine: self.models[engine] for engine in engines}
        return agreement(self.models["float"], int8, self.compared)

    def _decibels(self, found, stage):
        outputs = [info.name for info in self.models["float"].bundle.tensors(stage, "onnx")[1]]
        return sum(found[name]["tflite"]["sqnr_db"] for name in outputs) / len(outputs)

    def measure(self, annotations) -> dict[str, dict]:
        """COCO accuracy of float and of every int8 engine, kept for the manifests."""
        for name, model in self.models.items():
            self.measured[name] = self._evaluate(model, annotations, f"accuracy {name}")
            precision = model.bundle.manifest["precision"]
            self.summary[precision].setdefault("accuracy", []).append(self.measured[name].summary)
        return {name: one.summary for name, one in self.measured.items()}

    def drops(self) -> list[dict]:
        """What int8 lost against float in AP points, with its 95 % interval, by engine and kind; after `measure`."""
        return [
            {"engine": engine, "kind": kind, "drop": -gap, "low": -high, "high": -low}
            for engine in ENGINES
            for kind in KINDS
            for gap, low, high in [difference(self.measured[engine], self.measured["float"], kind)]
        ]

    def techniques(self, annotations) -> list[dict]:
        """What each step of the calibration gave, on LiteRT: SQNR by stage, box and mask AP less float's with its
        interval; after `measure`. The bundle is not changed."""
        kept, rows = dict(self.models), []
        for technique in TECHNIQUES:
            found = self._try(dict.fromkeys(STAGES, technique), ("tflite",))
            one = self._evaluate(self.models["tflite"], annotations, str(technique))
            rows.append({
                "technique": str(technique),
                "sqnr_db": {stage: round(self._decibels(found, stage), 2) for stage in STAGES},
                **{kind: [round(value, 2) for value in difference(one, self.measured["float"], kind)] for kind in KINDS},
            })  # fmt: skip
        self.stages["int8"], self.models = self.quantiser.quantise(self.plan), kept
        return rows

    def report(self, path, annotations=None):
        """Write the quantisation report to `path` (HTML) and the JSON beside it."""
        report = {**self.summary["int8"], "agreement": self.summary["int8"]["agreement"]["outputs"], "accuracy": None}
        if annotations:
            report["accuracy"] = {name: one.summary for name, one in self.measured.items()}
            report["techniques"] = self.techniques(annotations)
        report["sensitivity"] = self.quantiser.sensitivity(self.plan)
        named = zip(map(_name, self.compared.items), self.compared, strict=True)
        write_report(path, report, worst_pictures(self.models["float"], self.models["tflite"], named))

    def _evaluate(self, model, annotations, label):
        return evaluate(model, annotations, progress=lambda ids: progress(ids, label))

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



def _name(item):
    return item.name if isinstance(item, Path) else "frame"
