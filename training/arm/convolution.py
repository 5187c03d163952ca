"""A convolution computed as a matrix product while it learns in bf16 on a CPU; the sums are the same.

oneDNN lays a convolution's weights out anew in every step, and gathers their gradient slowly where there are many
channels and few places. With two cores with AMX, a step of 64 faces spent a third of its time in the four convolutions
of the last stage: as matrix products they take 8 and 14 ms for 19 and 37.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def learning_in_bf16(module: nn.Module, x: Tensor) -> bool:
    return module.training and x.device.type == "cpu" and torch.is_autocast_enabled("cpu")


class ColumnsConv2d(nn.Conv2d):
    """Square kernels without a bias; in evaluation, on other devices and in other numbers `nn.Conv2d` itself."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        if not learning_in_bf16(self, x_BCHW):
            return super().forward(x_BCHW)
        stride, padding = int(self.stride[0]), int(self.padding[0])
        return _Columns.apply(x_BCHW.bfloat16(), self.weight.bfloat16(), stride, padding)


class _Columns(torch.autograd.Function):
    """A convolution as one matrix product: rows are places, columns the kernel's cells by channel."""

    @staticmethod
    def forward(ctx: Any, x_BCHW: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        batch, channels = x_BCHW.shape[:2]
        out, _, side, _ = weight.shape
        padded = F.pad(x_BCHW.permute(0, 2, 3, 1), (0, 0, *[padding] * 4)).contiguous()
        height, width = ((size - side) // stride + 1 for size in padded.shape[1:3])
        by_image, by_row, by_column, by_channel = padded.stride()
        windows = padded.as_strided(
            (batch, height, width, side, side, channels),
            (by_image, by_row * stride, by_column * stride, by_row, by_column, by_channel),
        )
        columns = windows.reshape(batch * height * width, -1)
        rows = weight.permute(0, 2, 3, 1).reshape(out, -1)
        ctx.save_for_backward(columns, rows)
        ctx.sizes = padded.shape, weight.shape, stride, padding, height, width
        return (columns @ rows.T).view(batch, height, width, out).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        columns, rows = ctx.saved_tensors
        padded, weight, stride, padding, height, width = ctx.sizes
        out, channels, side, _ = weight
        batch = padded[0]
        gradient = gradients[0].permute(0, 2, 3, 1).reshape(-1, out)
        of_weight = (gradient.T @ columns).view(out, side, side, channels).permute(0, 3, 1, 2)
        windows = (gradient @ rows).view(batch, height, width, side, side, channels)
        total = gradient.new_zeros(padded)
        for down in range(side):
            for across in range(side):
                place = total[:, down : down + stride * height : stride, across : across + stride * width : stride]
                place += windows[:, :, :, down, across]
        inside = slice(padding, -padding or None)
        return total[:, inside, inside].permute(0, 3, 1, 2), of_weight, None, None
