"""A linear layer whose answer about a row does not depend on the batch, to the last bit. Sizes as in `networks`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CellwiseLinear(nn.Module):
    """A linear layer on every cell of a map by itself: [B, C, h, w] → [B, K, L], L = h * w cells row by row, with
    weights `weight_KLC` of each cell.

    It is written as sums of products along the last axis, and cells are brought there by an index: matrix products, and
    sums along another axis, choose their order of addition by the number of rows, so the last bits of one face's answer
    would depend on how many strangers share its batch; onnxruntime moves a transpose behind a sum.
    """

    def __init__(self, weight_KLC: Tensor, bias_K: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight_KLC.detach().flatten(1)), nn.Parameter(bias_K.detach()[:, None])
        self.cells, self.channels = weight_KLC.shape[1:]
        index = torch.arange(self.cells * self.channels)
        self.register_buffer("by_cell", index.reshape(self.channels, self.cells).T.flatten())

    def forward(self, x_BChw: Tensor) -> Tensor:
        x_BF = x_BChw.flatten(1)[:, self.by_cell]
        products_BKLC = (x_BF.unsqueeze(1) * self.weight).unflatten(2, (self.cells, self.channels))
        return products_BKLC.sum(3) + self.bias
