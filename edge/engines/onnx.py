"""ONNX Runtime."""

import numpy as np

from edgemask import device
from edgemask.errors import BundleError, MissingLibrary


class OnnxEngine:
    """An ONNX Runtime session over a network with one input."""

    def __init__(self, network: bytes, threads: int = 1):
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingLibrary("engine onnx needs ONNX Runtime: pip install 'edgemask[onnx]'") from error
        try:
            self.session = onnxruntime.InferenceSession(
                network, session_options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises half a dozen unrelated classes here
            raise BundleError(f"ONNX Runtime does not load this network: {str(error).splitlines()[0]}") from error
        self.input = self.session.get_inputs()[0].name
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Run the network; raises onnxruntime's own error for an input of another shape or dtype."""
        return dict(zip(self.outputs, self.session.run(None, {self.input: values}), strict=True))

    def __str__(self):
        import onnxruntime

        return f"onnxruntime {onnxruntime.__version__}"


def session_options(threads: int):
    """Options for a live loop: no spinning threads, exact int8 products."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # One planned block for all activations saves no time here and costs 4 MB.
    options.enable_mem_pattern = False
    # Spinning threads fight the camera and the glue for the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if device.saturates_int8():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options
