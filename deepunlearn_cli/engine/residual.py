"""ResNet18's block for `resnet-tiny`: torchvision's takes longer to load than a small run takes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, arXiv 1512.03385, figure 2).

    Weights have the names, order and initial values of torchvision's `BasicBlock`. Where the number of
    channels changes, the resolution is halved and the shortcut is a 1x1 convolution.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        shortcut = None if inputs == outputs else _shortcut(inputs, outputs, stride)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride), rounded up."""
        inner = F.relu(self.bn1(self.conv1(x)), inplace=True)
        outer = self.bn2(self.conv2(inner))
        outer += x if self.downsample is None else self.downsample(x)
        return F.relu(outer, inplace=True)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
