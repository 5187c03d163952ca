"""Heads whose rows do not depend on each other, to the last bit, whatever the runtime does with their batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class RowwiseConv(nn.Module):
    """A convolution as large as its input [B, C, H, W] → [B, K, 1, 1] as a sum of products for each row: as a
    convolution, once onnxruntime has laid it out anew, a row's last bits would depend on its batch."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = conv.weight.flatten(1)
        self.bias = torch.zeros(len(self.weight)) if conv.bias is None else conv.bias

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return ((x_BCHW.flatten(1).unsqueeze(1) * self.weight).sum(2) + self.bias)[:, :, None, None]


def rowwise(head: nn.Module) -> nn.Sequential:
    """A head of convolutions as large as their input, in evaluation mode: every convolution by rows, every norm inside
    it."""
    layers: list[nn.Module] = []
    for layer in head.children():
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)  # type: ignore[type-var]
        elif not isinstance(layer, nn.Dropout):
            layers.append(layer)
    return nn.Sequential(*(RowwiseConv(layer) if isinstance(layer, nn.Conv2d) else layer for layer in layers))
