"""Engines: each runs one stage's network, raw array in, raw arrays out by name."""

from typing import Protocol

import numpy as np

from edgemask.bundle import Bundle
from edgemask.errors import OptionError


class Engine(Protocol):
    """One network, loaded."""

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Run on an input of the manifest's shape and dtype."""


def open_engine(bundle: Bundle, stage: str, engine: str, threads: int) -> Engine:
    """The named engine with a stage's network; `auto` is the first the bundle has."""
    if engine == "auto":
        engine = bundle.engines()[0]
    if engine == "onnx":
        from edgemask.engines.onnx import OnnxEngine

        return OnnxEngine(bundle.read(stage, engine), threads)
    raise OptionError(f"engine {engine!r} is unknown; this bundle has {', '.join(bundle.engines())}")
