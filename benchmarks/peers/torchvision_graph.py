"""torchvision's Mask R-CNN with the scene inside its graph, where NMS and RoIAlign are, too.

There is no ready-made one on MobileNetV3: this is `fasterrcnn_mobilenet_v3_large_320_fpn` with its own settings, and
`MaskRCNN`'s mask branch. RPN, box head and mask head run, their answers are multiplied by 0, and the scene's are added.
"""

import sys

import torch
from torch import nn

from edgemask.benchmarks.peers.scene import FRAME, INPUT, PEOPLE, RATIO, logits, people, twins

PROPOSALS = 150
SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width, int sampling_ratio, "
    "bool aligned) -> Tensor",
)


def operators():
    """Import torchvision, also where its wheel holds operators for another torch than the one installed.

    Then the operators are only names and shapes: enough to trace a graph, whose operators are ONNX's.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for schema in SCHEMAS:
            library.define(schema)
        library.impl("nms", lambda boxes, scores, _: scores.argsort(descending=True), "CPU")
        library.impl("roi_align", _pooled, "CPU")
        import torchvision

        torchvision.kept = library  # the operators live as long as it does
        for module in ("torchvision.extension", "torchvision.ops.roi_align"):
            sys.modules[module]._has_ops = _yes


def _pooled(features, rois, _, height, width, *rest):
    return features.new_zeros(len(rois), features.shape[1], height, width)


def _yes() -> bool:
    return True


def _replaced(levels, planted):
    return [0 * level + answer for level, answer in zip(levels, planted, strict=True)]


class Planted(nn.Module):
    """A module that runs another, and answers with what `answer` makes of its outputs."""

    def __init__(self, module, answer):
        super().__init__()
        self.module, self.answer = module, answer

    def forward(self, *values):
        """The planted answer."""
        return self.answer(self.module(*values))


class Graph(nn.Module):
    """From a blob, float32 [1, 3, 320, 320] in [0, 1], to boxes in the frame's pixels, scores, and pasted masks."""

    def __init__(self, normalised):
        super().__init__()
        operators()
        from torchvision.models.detection.anchor_utils import AnchorGenerator
        from torchvision.models.detection.faster_rcnn import _mobilenet_extractor
        from torchvision.models.detection.mask_rcnn import MaskRCNN
        from torchvision.models.mobilenetv3 import mobilenet_v3_large

        backbone = normalised(_mobilenet_extractor(mobilenet_v3_large(weights=None), True, 6))
        anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
        self.model = MaskRCNN(
            backbone, 2, rpn_anchor_generator=anchors, rpn_score_thresh=0.05,
            rpn_pre_nms_top_n_test=PROPOSALS, rpn_post_nms_top_n_test=PROPOSALS,
        ).eval()  # fmt: skip
        self.register_buffer("mean", torch.tensor(self.model.transform.image_mean)[:, None, None])
        self.register_buffer("std", torch.tensor(self.model.transform.image_std)[:, None, None])
        self._plant()

    def _plant(self):
        heads = self.model.roi_heads
        images, features = self._features(torch.rand(1, 3, INPUT, INPUT))
        objectness, _ = self.model.rpn.head(features)
        anchors = self.model.rpn.anchor_generator(images, features)[0]
        rpn = self._rpn([tuple(level.shape) for level in objectness], anchors)
        self.model.rpn.head = Planted(self.model.rpn.head, lambda found: tuple(map(_replaced, found, rpn)))
        scores = torch.tensor([8.0, -8.0]).repeat(PROPOSALS, 1)
        scores[:PEOPLE], scores[PEOPLE : 2 * PEOPLE] = torch.tensor([-8.0, 8.0]), torch.tensor([-2.0, 2.0])
        heads.box_predictor = Planted(heads.box_predictor, lambda found: (
            0 * found[0] + scores[: found[0].shape[0]], 0 * found[1]))  # fmt: skip
        mask = torch.from_numpy(logits(28))
        heads.mask_predictor = Planted(heads.mask_predictor, lambda found: 0 * found + mask)

    def _rpn(self, shapes, anchors):
        """Planted objectness and deltas by level: in the first, anchors become the people, others their twins."""
        boxes = torch.from_numpy(people()), torch.from_numpy(twins())
        torch.manual_seed(0)
        objectness = [torch.rand(shape) * 4 - 2 for shape in shapes]
        deltas = [torch.zeros(1, 4 * shape[1], *shape[2:]) for shape in shapes]
        _, kinds, _, width = shapes[0]
        for rank, found in enumerate(boxes):
            centre = (found[:, :2] + found[:, 2:]) / 2
            column, row = (centre / (INPUT / width)).long().T
            kind = 2 + rank  # any anchor will do
            index = (row * width + column) * kinds + kind
            coded = self.model.rpn.box_coder.encode_single(found, anchors[index])
            for one, y, x in zip(coded, row, column, strict=True):
                objectness[0][0, kind, y, x] = 9 - rank
                deltas[0][0, 4 * kind : 4 * kind + 4, y, x] = one
        return objectness, deltas

    def _features(self, image):
        from torchvision.models.detection.image_list import ImageList

        image = (image - self.mean) / self.std
        return ImageList(image, [(INPUT, INPUT)]), list(self.model.backbone(image).values())

    def forward(self, image: torch.Tensor):
        """Boxes [N, 4], scores [N] and masks [N, 1, height, width]."""
        from torchvision.models.detection.roi_heads import paste_masks_in_image

        images, features = self._features(image)
        proposals, _ = self.model.rpn(images, dict(enumerate(features)))
        names = dict(zip(("0", "1", "pool"), features, strict=True))
        (found,), _ = self.model.roi_heads(names, proposals, images.image_sizes)
        boxes = found["boxes"] / RATIO
        return boxes, found["scores"], paste_masks_in_image(found["masks"], boxes, FRAME[::-1])
