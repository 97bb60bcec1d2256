"""Export a peer's network, built with one class and without trained weights.

    python -m edgemask.benchmarks.peers.export NETWORK FOLDER

Batch norms take their statistics from noise: without, activations would shrink from layer to layer until they are too
small for a normal float, which slows a CPU down and which int8 cannot be calibrated on.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from edgemask.benchmarks.peers.peers import TORCHVISION, blob
from edgemask.benchmarks.peers.scene import INPUT, frame

ENVIRONMENT = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}


def main(network: str, folder: str) -> int:
    """Put the network's files into the folder, all or none; the exit code."""
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as work, contextlib.redirect_stdout(sys.stderr):
        os.chdir(work)
        maskrcnn() if network == TORCHVISION else yolo(network)
        for made in Path().glob(f"{network}*"):
            shutil.rmtree(folder / made, ignore_errors=True)
            made.replace(folder / made)
        os.chdir(folder)
    return 0


def yolo(network: str):
    """Ultralytics' own exports, to ONNX and where they are installed to OpenVINO and ncnn; int8 is made of the ONNX."""
    os.environ.update(ENVIRONMENT, YOLO_CONFIG_DIR=os.getcwd())
    from ultralytics import YOLO
    from ultralytics.nn.tasks import SegmentationModel

    shell = YOLO(f"{network}.yaml", task="segment")
    model = SegmentationModel(f"{network}.yaml", nc=1, verbose=False)
    model.args, model.task = shell.model.args, shell.model.task
    shell.model = normalised(model)
    # nms=False is the head that needs no NMS, where there is one; ncnn cannot run it, and gets the other.
    shell.export(format="onnx", imgsz=INPUT, opset=17, simplify=True, nms=False)
    int8(Path(f"{network}.onnx"), Path(f"{network}-int8.onnx"))
    if find_spec("openvino"):
        shell.export(format="openvino", imgsz=INPUT, nms=False)
    if find_spec("pnnx"):
        shell.export(format="ncnn", imgsz=INPUT)


def maskrcnn():
    """torchvision's Mask R-CNN on MobileNetV3, 320 pixels, whole: its graph holds RPN, RoIAlign, NMS and mask pasting."""
    import torch

    from edgemask.benchmarks.peers.torchvision_graph import Graph

    graph, image = Graph(normalised), torch.from_numpy(blob(frame()))
    torch.onnx.export(graph, (image,), f"{TORCHVISION}.onnx", opset_version=17, dynamo=False,
                      input_names=["image"], output_names=["boxes", "scores", "masks"])  # fmt: skip


def normalised(model):
    """A torch module, ready for inference, whose batch norms have seen noise."""
    import torch

    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean of what was seen
    with torch.no_grad():
        model.train()(torch.rand(4, 3, INPUT, INPUT))
    return model.eval()


def int8(path: Path, into: Path):
    """Static int8 of every operator that ONNX Runtime can: uint8 activations, int8 weights per channel.

    Made for speed, with no regard for accuracy: boxes, scores and mask coefficients share one scale.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        def __init__(self):
            rolled = (np.roll(frame(), 40 * shift, axis=1) for shift in range(8))
            self.blobs = iter([{"images": blob(rgb)} for rgb in rolled])

        def get_next(self):
            return next(self.blobs, None)

    prepared = path.with_name(f"{path.stem}-prepared.onnx")
    quant_pre_process(path, prepared)
    quantize_static(prepared, into, Pictures(), per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    prepared.unlink()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
