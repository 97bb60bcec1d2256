"""The float network: EfficientNet-Lite0, FPN, RPN, box, mask and dense heads, in torch.

Attribute names follow the checkpoint's keys (convert/models/person_v8.md), so that a
state dict loads as it is. All tensors are NCHW float32.
"""

import torch
from torch import nn
from torch.nn import functional

from edgemask.parts import COUNT

CHANNELS = 96
DENSE_CHANNELS, BODY_CHANNELS = 128, 192
STRIDES = (8, 16, 32, 64)
ANCHORS_PER_CELL = 3
TAPS = {4: 40, 10: 112, 15: 320}
# (repeats, kernel, stride, expansion, output channels): EfficientNet-Lite0, tensorflow/tpu, 2020.
STAGES = (
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)


class Unit(nn.Module):
    """Convolution, batch norm and (unless `activation` is False) ReLU6, padded as TensorFlow's SAME."""

    def __init__(self, inputs, outputs, kernel=1, stride=1, groups=1, activation=True):
        super().__init__()
        # At stride 2 on an even input SAME pads one less in front than behind, which Conv2d cannot say.
        self.before = (kernel - stride) // 2 if stride > 1 else 0
        self.after = kernel - stride - self.before if stride > 1 else 0
        padding = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.activation = activation

    def forward(self, x):
        if self.after:
            x = functional.pad(x, (self.before, self.after, self.before, self.after))
        x = self.bn(self.conv(x))
        return functional.relu6(x) if self.activation else x


class Pair(nn.Module):
    """Depthwise-separable convolution: two units."""

    def __init__(self, inputs, outputs, kernel=3, stride=1, activation=True):
        super().__init__()
        self.depthwise = Unit(inputs, inputs, kernel, stride, groups=inputs)
        self.pointwise = Unit(inputs, outputs, activation=activation)

    def forward(self, x):
        return self.pointwise(self.depthwise(x))


class Block(nn.Module):
    """Inverted residual (Sandler et al. 2018) without squeeze-excite."""

    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        width = inputs * expansion
        if expansion > 1:
            self.expand = Unit(inputs, width)
        self.depthwise = Unit(width, width, kernel, stride, groups=width)
        self.project = Unit(width, outputs, activation=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = self.expand(x) if hasattr(self, "expand") else x
        y = self.project(self.depthwise(y))
        return x + y if self.residual else y


class Backbone(nn.Module):
    """EfficientNet-Lite0 without its classifier; returns the taps at strides 8, 16 and 32."""

    def __init__(self):
        super().__init__()
        self.stem = Unit(3, 32, 3, stride=2)
        blocks, inputs = [], 32
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for repeat in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, 1 if repeat else stride, expansion))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        x, taps = self.stem(x), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        return taps


class FPN(nn.Module):
    """Feature pyramid (Lin et al. 2017): taps in, P3 to P6 out, 96 channels each."""

    def __init__(self):
        super().__init__()
        self.lateral = nn.ModuleList(Unit(width, CHANNELS, activation=False) for width in TAPS.values())
        self.output = nn.ModuleList(Pair(CHANNELS, CHANNELS) for _ in TAPS)

    def forward(self, taps):
        c3, c4, c5 = (lateral(tap) for lateral, tap in zip(self.lateral, taps, strict=True))
        c4 = c4 + _doubled(c5)
        c3 = c3 + _doubled(c4)
        p3, p4, p5 = (output(c) for output, c in zip(self.output, (c3, c4, c5), strict=True))
        return p3, p4, p5, functional.max_pool2d(p5, 1, 2)


class RPN(Pair):
    """Region proposal head (Ren et al. 2015), shared by all levels: (objectness, deltas)."""

    def __init__(self):
        super().__init__(CHANNELS, CHANNELS)
        self.objectness = nn.Conv2d(CHANNELS, ANCHORS_PER_CELL, 1)
        self.deltas = nn.Conv2d(CHANNELS, 4 * ANCHORS_PER_CELL, 1)

    def forward(self, x):
        x = super().forward(x)
        return self.objectness(x), self.deltas(x)


class BoxHead(Pair):
    """RoIs [N, 96, 7, 7] to (class logits [N, K + 1], class-agnostic box deltas [N, 4])."""

    def __init__(self, classes):
        super().__init__(CHANNELS, CHANNELS)
        self.fc1 = nn.Linear(CHANNELS * 49, 256)
        self.fc2 = nn.Linear(256, 256)
        self.scores = nn.Linear(256, classes + 1)
        self.deltas = nn.Linear(256, 4)

    def forward(self, x):
        x = functional.relu(self.fc1(super().forward(x).flatten(1)))
        x = functional.relu(self.fc2(x))
        return self.scores(x), self.deltas(x)


class MaskHead(nn.Module):
    """RoIs [N, 96, 14, 14] to mask logits [N, K, 28, 28] (He et al. 2017)."""

    def __init__(self, classes):
        super().__init__()
        self.convs = nn.Sequential(*(Pair(CHANNELS, CHANNELS) for _ in range(4)))
        self.reduce = Unit(CHANNELS, CHANNELS // 2)
        self.up = Pair(CHANNELS // 2, CHANNELS // 2)
        self.logits = nn.Conv2d(CHANNELS // 2, classes, 1)

    def forward(self, x):
        return self.logits(self.up(_doubled(self.reduce(self.convs(x)))))


class DenseHead(nn.Module):
    """RoIs [N, 96, 14, 14] to (part logits, U and V), [N, 24, 28, 28] each (Güler et al. 2018).

    Channel p − 1 belongs to part p; whether somebody is there at all is the mask head's to say. An hourglass (Newell et al.
    2016): which part a cell is hangs on the whole body, which a few steps at half the resolution see.
    """

    def __init__(self):
        super().__init__()
        self.first = Pair(CHANNELS, DENSE_CHANNELS, kernel=5)
        self.down = Pair(DENSE_CHANNELS, BODY_CHANNELS, kernel=5, stride=2)
        self.body = nn.Sequential(*(Pair(BODY_CHANNELS, BODY_CHANNELS, kernel=5) for _ in range(3)))
        self.back = Unit(BODY_CHANNELS, DENSE_CHANNELS, activation=False)
        self.skip = Pair(DENSE_CHANNELS, DENSE_CHANNELS, kernel=5, activation=False)
        self.last = Pair(DENSE_CHANNELS, DENSE_CHANNELS)
        self.up = Pair(DENSE_CHANNELS, DENSE_CHANNELS)
        self.parts = nn.Conv2d(DENSE_CHANNELS, COUNT, 1)
        self.u = nn.Conv2d(DENSE_CHANNELS, COUNT, 1)
        self.v = nn.Conv2d(DENSE_CHANNELS, COUNT, 1)

    def forward(self, x):
        x = self.first(x)
        x = self.last(self.skip(x) + _doubled(self.back(self.body(self.down(x)))))
        x = self.up(_doubled(x))
        return self.parts(x), self.u(x), self.v(x)


def _doubled(x):
    return functional.interpolate(x, scale_factor=2, mode="nearest")


class Network(nn.Module):
    """The whole model; its parts are run stage by stage (`trunk`, `box`, `mask`, `dense`).

    dense: with a head for body parts; without, `dense` is None.
    """

    def __init__(self, classes: int, dense: bool = False):
        super().__init__()
        self.backbone = Backbone()
        self.fpn = FPN()
        self.rpn = RPN()
        self.box = BoxHead(classes)
        self.mask = MaskHead(classes)
        self.dense = DenseHead() if dense else None

    def trunk(self, image: torch.Tensor):
        """Normalised image [1, 3, H, W] to ((p3, p4, p5, p6), objectness per level, deltas per level)."""
        levels = self.fpn(self.backbone(image))
        objectness, deltas = zip(*(self.rpn(level) for level in levels))
        return levels, objectness, deltas
