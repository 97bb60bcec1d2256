"""LiteRT (TensorFlow Lite's successor), or tflite-runtime where only that is installed."""

import contextlib
import importlib
from importlib import metadata

import numpy as np

from edgemask.errors import BundleError, MissingLibrary
from edgemask.quiet import silent

PACKAGES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}


class LiteRtEngine:
    """A TFLite network with one int8 input; uint8 inputs, such as raw frames, are moved to int8 first."""

    def __init__(self, network: bytes, threads: int = 1):
        self.package, interpreter = _runtime()
        try:
            with silent():
                self.interpreter = interpreter(model_content=network, num_threads=threads)
                self.interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{self.package} does not load this network: {str(error).splitlines()[0]}") from error
        (self.input,) = self.interpreter.get_input_details()
        self.outputs = {detail["name"]: detail["index"] for detail in self.interpreter.get_output_details()}
        self.shape = tuple(self.input["shape"])

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network; raises ValueError for an input of another shape."""
        if values.dtype == np.uint8:
            values = (values ^ 0x80).view(np.int8)
        if values.shape != self.shape:
            self.interpreter.resize_tensor_input(self.input["index"], values.shape, strict=True)
            self.interpreter.allocate_tensors()
            self.shape = values.shape
        self.interpreter.set_tensor(self.input["index"], values)
        self.interpreter.invoke()
        return {name: self.interpreter.get_tensor(index) for name, index in self.outputs.items()}

    def delegated(self) -> tuple[int, int, int]:
        """(operators that XNNPACK took, operators in all, partitions): a taken operator's tensors are gone."""
        operators = self.interpreter._get_ops_details()
        delegates = [one for one in operators if one["op_name"] == "DELEGATE"]
        given = {index for one in delegates for index in one["outputs"]}
        own = [one for one in operators if one["op_name"] != "DELEGATE"]
        taken = sum(all(i in given or not self._allocated(i) for i in one["outputs"]) for one in own)
        return taken if delegates else 0, len(own), len(delegates)

    def _allocated(self, index):
        try:
            self.interpreter.get_tensor(index)
        except ValueError:
            return False
        return True

    def __str__(self):
        taken, total, _ = self.delegated()
        version = metadata.version(self.package)
        if taken == total:
            return f"{self.package} {version} with XNNPACK"
        return (f"{self.package} {version}, which leaves {total - taken} of {total} operators to slow kernels: "
                "pip install ai-edge-litert")  # fmt: skip


def _runtime():
    for module, package in PACKAGES.items():
        with contextlib.suppress(ImportError):
            return package, importlib.import_module(f"{module}.interpreter").Interpreter
    raise MissingLibrary("engine tflite needs LiteRT: pip install ai-edge-litert")
