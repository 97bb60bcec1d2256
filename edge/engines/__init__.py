"""Engines: each runs one stage's network, raw array in, raw arrays out by name."""

from importlib.util import find_spec
from typing import Protocol

import numpy as np

from edgemask.bundle import Bundle
from edgemask.errors import OptionError

ENGINES = ("tflite", "onnx")
# (engine, package that runs it), in the order `auto` prefers them: tflite-runtime is the slow last resort.
RUNTIMES = (("tflite", "ai_edge_litert"), ("onnx", "onnxruntime"), ("tflite", "tflite_runtime"))


class Engine(Protocol):
    """One network, loaded; `str(engine)` says what runs it."""

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Run on an input of the manifest's shape; uint8 values also where the network takes int8."""


def choose(bundle: Bundle, engine: str) -> str:
    """The engine to use: `auto` is the first of RUNTIMES that is installed and that the bundle has a network for."""
    held = bundle.engines()
    if engine == "auto":
        ready = [name for name, package in RUNTIMES if name in held and find_spec(package)]
        return (ready or held)[0]
    if engine not in held:
        raise OptionError(f"{bundle.path} has no engine {engine!r}; it has {', '.join(held)}")
    return engine


def open_engine(bundle: Bundle, stage: str, engine: str, threads: int) -> Engine:
    """The named engine with a stage's network."""
    if engine == "tflite":
        from edgemask.engines.litert import LiteRtEngine

        return LiteRtEngine(bundle.read(stage, engine), threads)
    from edgemask.engines.onnx import OnnxEngine

    return OnnxEngine(bundle.read(stage, engine), threads)
