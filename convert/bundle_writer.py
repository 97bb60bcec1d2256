"""Writing a bundle: stages and manifest into one ZIP, the same bytes for the same content."""

import hashlib
import json
import zipfile
from dataclasses import dataclass

import onnx

from edgemask.calibration.ranges import Scales
from edgemask.convert.network import STRIDES
from edgemask.files import replacing
from edgemask.manifest import SCHEMA

DTYPES = {onnx.TensorProto.UINT8: "uint8", onnx.TensorProto.FLOAT: "float32"}


@dataclass(frozen=True)
class RuntimeStage:
    """One stage as an engine runs it; `scales` is empty for a float stage."""

    name: str
    model: onnx.ModelProto
    scales: Scales
    kernels: dict


def describe(classes, width: int, height: int) -> dict:
    """The sections of a manifest that belong to the model family, not to one conversion."""
    return {
        "schema": SCHEMA,
        "classes": list(classes),
        "input": {"width": width, "height": height, "pad": 127, "mean": 127, "divisor": 128, "colour": "RGB"},
        "anchors": {"strides": list(STRIDES), "sizes": [32, 64, 128, 256], "ratios": [0.5, 1, 2]},
        "proposals": {"per_level": 200, "min_side": 2, "nms_input": 400, "nms": 0.7, "keep": 50},
        "detections": {"score": 0.05, "nms": 0.5, "keep": 50},
        "box_coder": {"rpn": [1, 1, 1, 1], "box": [10, 10, 5, 5], "clamp": 4.135},
        "roi": {"levels": ["p3", "p4", "p5"], "canonical": 112, "samples": 2, "box": 7, "mask": 14},
    }


def write_bundle(path, manifest: dict, stages: list[RuntimeStage], engine: str = "onnx"):
    """Write `path` whole or not at all; stage files, hashes and tensors are added to the manifest."""
    files = {f"{stage.name}.onnx": stage.model.SerializeToString(deterministic=True) for stage in stages}
    entries = {stage.name: {engine: _entry(stage, files[f"{stage.name}.onnx"])} for stage in stages}
    manifest = json.dumps({**manifest, "stages": entries}, indent=1)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"manifest.json": manifest.encode(), **files}.items():
            # A fixed date: two conversions of the same weights are the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)


def _entry(stage, content):
    graph = stage.model.graph
    return {
        "file": f"{stage.name}.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "tensors": [_tensor(value, stage.scales) for value in [*graph.input, *graph.output]],
        "kernels": stage.kernels,
    }


def _tensor(value, scales):
    kind = value.type.tensor_type
    entry = {
        "name": value.name,
        "shape": [dim.dim_param or dim.dim_value for dim in kind.shape.dim],
        "dtype": DTYPES[kind.elem_type],
    }
    if value.name in scales:
        scale, zero = scales[value.name]
        entry |= {"scale": float(scale), "zero_point": zero}
    return entry
