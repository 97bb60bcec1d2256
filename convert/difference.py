"""How far an int8 bundle is from the float one, stage by stage on the same inputs."""

import numpy as np

from edgemask.letterbox import letterbox
from edgemask.model import Model

BATCH = 10


def signal_to_noise(exact: Model, quantised: Model, pictures) -> dict[str, float]:
    """SQNR in dB of every stage output over RGB pictures; heads see the float model's RoIs in both."""
    signal, noise = {}, {}

    def compare(got, want):
        for name, value in want.items():
            real = exact.dequantise(want, name).astype(np.float64)
            error = quantised.dequantise(got, name) - real
            signal[name] = signal.get(name, 0.0) + float((real**2).sum())
            noise[name] = noise.get(name, 0.0) + float((error**2).sum())

    for rgb in pictures:
        image, _ = letterbox(rgb, exact.width, exact.height, exact.pad)
        want = exact.engines["trunk"](image[None])
        compare(quantised.engines["trunk"](image[None]), want)
        proposals = exact.proposals(want)[:BATCH]
        if not len(proposals):
            continue
        for stage in ("box", "mask"):
            rois = exact.pool(want, proposals, exact.roi[stage])
            entry, _ = quantised.bundle.tensors(stage, quantised.engine)
            raw = np.clip(np.rint(rois / np.float32(entry.scale)) + entry.zero_point, 0, 255).astype(np.uint8)
            compare(quantised.engines[stage](raw), exact.engines[stage](rois))
    return {name: round(10 * np.log10(signal[name] / max(noise[name], 1e-12)), 2) for name in signal}
