"""Writing a bundle: stages and manifest into one ZIP, the same bytes for the same content."""

import hashlib
import json
import zipfile
from dataclasses import dataclass

from edgemask.convert.network import STRIDES
from edgemask.files import replacing
from edgemask.manifest import DENSE, SCHEMA


@dataclass(frozen=True)
class RuntimeStage:
    """One stage as one engine runs it: its file, its tensors (input first) as the manifest lists them, and
    how many nodes of each type compute on int8 and how many in float."""

    name: str
    engine: str
    content: bytes
    tensors: list[dict]
    kernels: dict

    @property
    def file(self) -> str:
        """Its name in the bundle."""
        return f"{self.name}.{self.engine}"


def describe(classes, width: int, height: int, dense: bool = False) -> dict:
    """The sections of a manifest that belong to the model family, not to one conversion."""
    head = {DENSE: 14} if dense else {}
    return {
        "schema": SCHEMA,
        "classes": list(classes),
        "input": {"width": width, "height": height, "pad": 127, "mean": 127, "divisor": 128, "colour": "RGB"},
        "anchors": {"strides": list(STRIDES), "sizes": [32, 64, 128, 256], "ratios": [0.5, 1, 2]},
        "proposals": {"per_level": 200, "min_side": 2, "nms_input": 400, "nms": 0.6, "keep": 100},
        "detections": {"score": 0.05, "nms": 0.5, "keep": 50},
        "box_coder": {"rpn": [1, 1, 1, 1], "box": [10, 10, 5, 5], "clamp": 4.135},
        "roi": {"levels": ["p3", "p4", "p5"], "canonical": 112, "canonical_mask": 224, "samples": 2, "box": 7, "mask": 14, **head},
    }


def write_bundle(path, manifest: dict, stages: list[RuntimeStage]):
    """Write `path` whole or not at all; stage files, hashes and tensors are added to the manifest."""
    entries = {}
    for stage in stages:
        entries.setdefault(stage.name, {})[stage.engine] = {
            "file": stage.file,
            "sha256": hashlib.sha256(stage.content).hexdigest(),
            "tensors": stage.tensors,
            "kernels": stage.kernels,
        }
    files = {"manifest.json": json.dumps({**manifest, "stages": entries}, indent=1).encode()}
    files |= {stage.file: stage.content for stage in stages}
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            # A fixed date: two conversions of the same weights are the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
