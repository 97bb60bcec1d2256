"""A checkpoint's golden file: one input and the float outputs of every stage, to check an implementation against.

    python -m edgemask.convert.golden person.safetensors      # writes person.golden.npz

All of it is computed in torch by what trains the network; the runtime, which has its own glue in numpy, is checked against it.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from edgemask import pictures
from edgemask.bundle import SHIPPED
from edgemask.command import exit_code
from edgemask.convert.bundle_writer import describe
from edgemask.convert.checkpoint import load_checkpoint
from edgemask.convert.train.proposals import decode, propose, suppressed
from edgemask.convert.train.roi import roi_align
from edgemask.files import replacing
from edgemask.letterbox import letterbox
from edgemask.proposals import anchors
from edgemask.roi_align import canonical

SIDE, SCORE = 320, 0.05
OF_BOX, OF_MASK = 8, 4  # RoIs whose features are written down


@torch.inference_mode()
def golden(checkpoint) -> dict[str, np.ndarray]:
    """Every stage's outputs on the package's astronaut, by name: network tensors float32 NCHW, boxes x0, y0, x1, y1."""
    network, classes = checkpoint.network, checkpoint.classes
    family = describe(classes, SIDE, SIDE)
    layout, coder, limits, roi = (family[name] for name in ("anchors", "box_coder", "proposals", "roi"))
    image = letterbox(pictures.read(SHIPPED.parent / "astronaut.jpg"), SIDE, SIDE, family["input"]["pad"])[0]
    levels, objectness, deltas = network.trunk((torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127) / 128)
    objectness = [one.permute(0, 2, 3, 1).reshape(1, -1) for one in objectness]
    deltas = [one.permute(0, 2, 3, 1).reshape(1, -1, 4) for one in deltas]
    pairs = zip(layout["strides"], layout["sizes"], strict=True)
    reference = [torch.from_numpy(anchors(SIDE, SIDE, *pair, layout["ratios"])) for pair in pairs]
    found = {"image": image, "canonical": np.array([canonical(roi, "box"), canonical(roi, "mask")]),
             "nms": np.array(limits["nms"]), "keep": np.array(limits["keep"])}  # fmt: skip
    for index, (level, score, delta, boxes) in enumerate(zip(levels, objectness, deltas, reference, strict=True)):
        found |= {f"p{index + 3}": level, f"objectness_{index}": score[0], f"deltas_{index}": delta[0], f"anchors_{index}": boxes}
    size = SIDE, SIDE
    (proposals,) = propose(reference, objectness, deltas, size, limits, coder["rpn"], coder["clamp"], limits["keep"])
    proposals = proposals[proposals.any(1)]

    def pooled(boxes, stage):
        picture = torch.zeros(len(boxes), dtype=torch.long)
        return roi_align(levels[:3], boxes, picture, SIDE, roi[stage], canonical(roi, stage))

    rois = pooled(proposals, "box")
    scores, moves = network.box(rois)
    boxes = decode(proposals, moves, coder["box"], coder["clamp"]).clamp(0, SIDE)
    best, order = scores.softmax(1)[:, 1].sort(descending=True)
    boxes = boxes[order]
    kept = (best >= SCORE) & ~suppressed(boxes[None], family["detections"]["nms"])[0]
    people = pooled(boxes[kept][:OF_MASK], "mask")
    found |= {"proposals": proposals, "roi7": rois[:OF_BOX], "box_scores": scores, "box_deltas": moves, "boxes": boxes[kept],
              "scores": best[kept], "roi14": people, "mask_logits": network.mask(people)}  # fmt: skip
    if network.dense is not None:
        found |= zip(("dense_parts", "dense_u", "dense_v"), network.dense(people), strict=True)
    return {name: np.asarray(value) for name, value in found.items()}


def main(arguments=None) -> int:
    """Write the file; the exit code."""
    it = argparse.ArgumentParser(prog="python -m edgemask.convert.golden", description=__doc__.splitlines()[0])
    it.add_argument("checkpoint", type=Path)
    return exit_code(_run, it.parse_args(arguments))


def _run(options):
    target = options.checkpoint.with_suffix(".golden.npz")
    values = golden(load_checkpoint(options.checkpoint))
    with replacing(target) as temporary:
        np.savez_compressed(temporary, **values)
    print(f"wrote {target}")


if __name__ == "__main__":
    sys.exit(main())
