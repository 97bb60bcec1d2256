"""The peers' runtimes: each loads a network and maps one blob, float32 [1, 3, 320, 320], to the list of its outputs.

Threads are counted alike, and none spins where the library has a switch for it (OpenVINO's TBB has none).
"""

from pathlib import Path

import numpy as np

# Read by libraries when they are loaded: numpy between the networks keeps to one thread, ncnn's OpenMP does not spin.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


def onnxruntime(path: Path, threads: int):
    """An ONNX network in ONNX Runtime, with the options of edgemask's own engine."""
    import onnxruntime as runtime

    from edgemask.engines.onnx import session_options

    session = runtime.InferenceSession(path, session_options(threads), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda blob: session.run(None, {name: blob}), f"onnxruntime {runtime.__version__}"


def openvino(path: Path, threads: int):
    """A network in OpenVINO, from its own format or ONNX: one stream, float32 where it is not int8."""
    import openvino as runtime

    compiled = runtime.Core().compile_model(path, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False,
    })  # fmt: skip
    request = compiled.create_infer_request()

    def run(blob):
        request.infer([blob], share_inputs=True, share_outputs=True)
        return [output.data for output in request.output_tensors]

    return run, f"openvino {runtime.__version__.split('-')[0]}"


def ncnn(path: Path, threads: int):
    """A folder with a network in ncnn."""
    import ncnn as runtime

    net = runtime.Net()
    net.opt.num_threads, net.opt.openmp_blocktime = threads, 0
    net.load_param(str(path / "model.ncnn.param"))
    net.load_model(str(path / "model.ncnn.bin"))

    def run(blob):
        extractor = net.create_extractor()
        extractor.input("in0", runtime.Mat(blob[0]))
        return [np.asarray(extractor.extract(name)[1])[None] for name in ("out0", "out1")]

    return run, f"ncnn {runtime.__version__}"
