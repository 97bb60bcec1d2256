"""The bundle: one ZIP with a manifest and the networks, read with distrust.

Nothing in a bundle is executed or unpickled; every file is checked against the manifest's
SHA-256 before an engine sees a byte of it.
"""

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgemask import manifest
from edgemask.errors import BundleError
from edgemask.manifest import DENSE, STAGES

SHIPPED = Path(__file__).parent / "data" / "person-320.edgemask"
MAX_FILES = 64
# zipfile raises RuntimeError for encryption, NotImplementedError for versions and methods it does not know.
BAD_ZIP = (OSError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError)
MAX_MANIFEST = 1 << 20
MAX_FILE = 256 << 20


@dataclass(frozen=True)
class TensorInfo:
    """A stage's input or output: real = (value − zero_point) · scale, or the value itself where scale is None."""

    name: str
    shape: tuple
    dtype: str
    scale: float | None = None
    zero_point: int = 0

    def dequantise(self, values: np.ndarray) -> np.ndarray:
        """Raw values as float32."""
        values = values.astype(np.float32)
        return values if self.scale is None else (values - self.zero_point) * np.float32(self.scale)


class Bundle:
    """An open bundle.

    >>> bundle = Bundle("person-320.edgemask")
    >>> bundle.manifest["classes"]

    Raises BundleError, a sentence that names the file and what is wrong with it.
    """

    def __init__(self, path=SHIPPED):
        self.path = Path(path)
        try:
            with zipfile.ZipFile(self.path) as archive:
                entries = archive.infolist()
                self._check_entries(entries)
                self.manifest = json.loads(archive.read("manifest.json"))
        except FileNotFoundError as error:
            raise BundleError(f"{path} does not exist") from error
        except BundleError:
            raise
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{path}: its manifest.json is not JSON: {error}") from error
        except BAD_ZIP as error:
            raise BundleError(f"{path} is not a bundle, or a truncated one: {error}") from error
        self._check_manifest({entry.filename for entry in entries})

    @cached_property
    def files(self) -> dict[str, str]:
        """File name to SHA-256 of everything the stages use."""
        stages = self.manifest["stages"].values()
        return {entry["file"]: entry["sha256"] for stage in stages for entry in stage.values()}

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, the first is category 1."""
        return tuple(self.manifest["classes"])

    def engines(self) -> list[str]:
        """Engines for which the bundle holds every stage."""
        return sorted(manifest.complete(self.manifest))

    @property
    def dense(self) -> bool:
        """Whether it has the head for body parts."""
        return DENSE in self.manifest["stages"]

    def stages(self, dense: bool) -> tuple[str, ...]:
        """The stages to run, with the dense head or without it; raises BundleError where it is wanted and not there."""
        if dense and not self.dense:
            raise BundleError(
                f"{self.path} has no dense head, so it finds no body parts: convert a checkpoint that was trained with one"
            )
        return (*STAGES, DENSE) if dense else STAGES

    def tensors(self, stage: str, engine: str) -> tuple[TensorInfo, list[TensorInfo]]:
        """The stage's input and its outputs."""
        entry = self.manifest["stages"][stage][engine]
        infos = [
            TensorInfo(one["name"], tuple(one["shape"]), one["dtype"], one.get("scale"), one.get("zero_point", 0))
            for one in entry["tensors"]
        ]
        return infos[0], infos[1:]

    def read(self, stage: str, engine: str) -> bytes:
        """A stage's network, its hash verified."""
        if engine not in self.manifest["stages"].get(stage, {}):
            raise BundleError(f"{self.path} has no stage {stage} for engine {engine}; it has {self.engines()}")
        return self._verified(self.manifest["stages"][stage][engine]["file"])

    def verify(self):
        """Check every file's hash."""
        for name in self.files:
            self._verified(name)

    def _verified(self, name):
        try:
            with zipfile.ZipFile(self.path) as archive:
                content = archive.read(name)
        except (*BAD_ZIP, KeyError) as error:
            raise BundleError(f"{self.path}: cannot read {name}: {error}") from error
        if hashlib.sha256(content).hexdigest() != self.files[name]:
            raise BundleError(f"{self.path}: {name} does not match its SHA-256 in the manifest: damaged or altered")
        return content

    def _check_entries(self, entries):
        names = [entry.filename for entry in entries]
        if not names or names[0] != "manifest.json":
            raise BundleError(f"{self.path} is not a bundle: its first entry is not manifest.json")
        if len(names) > MAX_FILES or len(set(names)) != len(names):
            raise BundleError(f"{self.path} has too many entries, or one twice")
        for entry in entries:
            # orig_filename: zipfile cuts filename at a NUL byte.
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", entry.orig_filename):
                raise BundleError(f"{self.path}: entry {entry.orig_filename!r} is not a plain file name")
            limit = MAX_MANIFEST if entry.filename == "manifest.json" else MAX_FILE
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > limit:
                raise BundleError(f"{self.path}: entry {entry.filename} is compressed or over {limit} bytes")

    def _check_manifest(self, names):
        try:
            manifest.check(self.manifest)
        except ValueError as error:
            raise BundleError(f"{self.path}: its manifest {error}") from error
        files, engines = set(self.files), self.engines()
        sides = [self.manifest["input"][side] for side in ("width", "height")]
        if not engines:
            raise BundleError(f"{self.path} has no engine with all of the stages {', '.join(manifest.held(self.manifest))}")
        if odd := files ^ (names - {"manifest.json"}):
            raise BundleError(f"{self.path}: {sorted(odd)[0]} is in the manifest or in the ZIP, but not in both")
        if not all(64 <= side <= 4096 and side % 64 == 0 for side in sides):
            raise BundleError(f"{self.path}: input {sides} is not a multiple of 64 between 64 and 4096 each side")


def float_sibling(path) -> Path:
    """Where `edgemask convert` puts the float bundle that belongs to an int8 one."""
    path = Path(path)
    return path.with_name(f"{path.stem}-float{path.suffix}")
