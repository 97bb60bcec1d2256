"""Who is compared with whom, and how each gets from a frame to full-size masks."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from edgemask.benchmarks.peers import ours, runtimes, yolo
from edgemask.benchmarks.peers.scene import INPUT, RATIO, Found
from edgemask.letterbox import letterbox

TORCHVISION = "maskrcnn-mobilenetv3"
GREY = 114  # ultralytics' padding


# What exporting a network takes: not needed where it has been exported already, as for a Pi.
YOLO_EXPORT = ("ultralytics", "onnx", "onnxslim", "onnxruntime")
EXPORT = {"yolo11n-seg": YOLO_EXPORT, "yolo26n-seg": YOLO_EXPORT, TORCHVISION: ("torchvision", "onnx")}


@dataclass(frozen=True)
class Peer:
    """A network in a runtime: `file` is the network's name in the folder of networks, None for edgemask itself."""

    network: str
    runtime: str
    precision: str
    file: str | None = None

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return f"{self.network}-{self.runtime}-{self.precision}"

    def exported(self, folder: Path) -> bool:
        """Whether its network needs no export (any more)."""
        return self.file is None or (folder / self.file).exists()

    def missing(self, folder: Path) -> list[str]:
        """Those of the libraries it needs that are not installed."""
        needs = [self.runtime] if self.exported(folder) else [*EXPORT[self.network], self.runtime]
        needs += ["pnnx"] if self.runtime == "ncnn" and not self.exported(folder) else []
        return [library for library in dict.fromkeys(needs) if not find_spec(library)]

    def segmenter(self, folder: Path, threads: int):
        """(From a frame to what is found in it, what runs it); folder: where the exported networks are."""
        if self.file is None:
            return ours.segmenter(self.runtime, threads)
        network, runs = getattr(runtimes, self.runtime)(folder / self.file, threads)
        return (_whole if self.network == TORCHVISION else _planted)(network), runs


def _peers():
    yield Peer("edgemask", "onnxruntime", "int8")
    for network in ("yolo11n-seg", "yolo26n-seg"):
        yield Peer(network, "onnxruntime", "float", f"{network}.onnx")
        yield Peer(network, "onnxruntime", "int8", f"{network}-int8.onnx")
        # OpenVINO 2026.4 does not compile the ONNX of YOLO26's float head; its own export of it works.
        yield Peer(network, "openvino", "float", f"{network}_openvino_model/{network}.xml")
        yield Peer(network, "openvino", "int8", f"{network}-int8.onnx")
        yield Peer(network, "ncnn", "float", f"{network}_ncnn_model")
    yield Peer(TORCHVISION, "onnxruntime", "float", f"{TORCHVISION}.onnx")


PEERS = {peer.name: peer for peer in _peers()}
BASE = Peer("edgemask", "ai_edge_litert", "int8")


def blob(rgb: np.ndarray) -> np.ndarray:
    """The peers' input, float32 [1, 3, 320, 320] in [0, 1]: the pixels that edgemask sees."""
    image, _ = letterbox(rgb, INPUT, INPUT, GREY)
    return cv2.dnn.blobFromImage(image, 1 / 255)


def _planted(network):
    """YOLO: the network's own outputs are computed, and then those of the scene decoded."""
    answer = None

    def segment(rgb: np.ndarray) -> Found:
        nonlocal answer
        outputs = network(blob(rgb))
        answer = answer or yolo.planted(outputs[0].shape)
        return yolo.decode(answer, (rgb.shape[1], rgb.shape[0]), RATIO)

    return segment


def _whole(network):
    """torchvision: NMS and pasted masks come out of the graph, which has the scene inside."""

    def segment(rgb: np.ndarray) -> Found:
        boxes, _, masks = network(blob(rgb))
        return Found(boxes, masks[:, 0] > 0.5)

    return segment
