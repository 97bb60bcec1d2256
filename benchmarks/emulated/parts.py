"""The parts of a frame, each run once between two marks for count.c; runs on the board.

    python -m edgemask.benchmarks.emulated.parts tflite [BUNDLE]
    python -m edgemask.benchmarks.emulated.parts peer NETWORK.onnx

Prints {"runs": …, "parts": […]}: what ran them, and their names in the order of the marks.
"""

import gc
import json
import os
import sys

import cv2
import numpy as np

import edgemask
from edgemask.bundle import SHIPPED
from edgemask.engines.fake import FakeEngine
from edgemask.engines.onnx import session_options
from edgemask.model import Model

# The work must not depend on what a network has learned, or every calibration would move the counts.
PROPOSALS, DETECTIONS = 100, 10


def stages(model: Model) -> dict:
    """What each network does of a frame, on noise: no kernel looks at values. The box head looks again at what it found."""
    random, jobs = np.random.default_rng(0), {}
    for stage, counts in (("trunk", [1]), ("box", [PROPOSALS, DETECTIONS]), ("mask", [DETECTIONS])):
        info, _ = model.bundle.tensors(stage, model.engine)
        batches = [random.integers(0, 128, (count, *info.shape[1:])).astype(info.dtype) for count in counts]
        jobs[stage] = lambda stage=stage, batches=batches: [model.engines[stage](values) for values in batches]
    return jobs


def glue(model: Model):
    """Everything between the networks, from a 640×480 frame to its COCO records; their answers are canned."""
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (480, 640, 3), np.uint8)
    engines = {}
    for stage in model.engines:
        infos, count = model.bundle.tensors(stage, model.engine)[1], 1 if stage == "trunk" else PROPOSALS
        engines[stage] = FakeEngine(**{info.name: _canned(info, (count, *info.shape[1:]), random) for info in infos})

    def job():
        networks, model.engines = model.engines, engines
        model(rgb).coco()
        model.engines = networks

    return job


def _canned(info, shape, random):
    """Values at the ends of their range, whatever those stand for: the anchors of one level, without deltas, are the boxes."""
    low, high = (np.iinfo(info.dtype).min, np.iinfo(info.dtype).max) if info.scale is not None else (-8, 8)
    if "deltas" in info.name:
        values = np.full(shape, info.zero_point)
    elif info.name == "box_scores":
        person = np.arange(PROPOSALS)[:, None] < DETECTIONS
        values = np.where(np.concatenate([~person, person], axis=1), high, low)
    elif info.name == "mask_logits":
        y, x = np.mgrid[-14:14, -14:14]
        values = np.broadcast_to(np.where(x**2 + y**2 < 100, high, low)[None, :, :, None], shape)
    elif info.name.startswith("objectness") and info.name != "objectness_1":
        values = np.full(shape, low)
    else:
        values = random.uniform(low, high, shape)
    return values.astype(info.dtype)


def peer(path: str):
    """One run of any ONNX network with one input, on noise."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, session_options(1), providers=["CPUExecutionProvider"])
    (info,) = session.get_inputs()
    shape = [side if isinstance(side, int) else 1 for side in info.shape]
    dtype = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}[info.type]
    values = np.random.default_rng(0).integers(0, 128, shape).astype(dtype)
    return lambda: session.run(None, {info.name: values})


def marked(job):
    """The third run of a job between two marks: the first two allocate."""
    job()
    job()
    gc.collect()
    gc.disable()
    os.getppid()
    job()
    os.getppid()
    gc.enable()


def main(engine: str, path=SHIPPED):
    """Run them all."""
    cv2.setNumThreads(1)
    if engine == "peer":
        import onnxruntime

        jobs, runs = {"network": peer(path)}, f"onnxruntime {onnxruntime.__version__}"
    else:
        model = edgemask.load(path, engine, threads=1)
        jobs, runs = {**stages(model), "glue": glue(model)}, str(model.engines["trunk"])
    for job in jobs.values():
        marked(job)
    print(json.dumps({"runs": runs, "parts": list(jobs)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
