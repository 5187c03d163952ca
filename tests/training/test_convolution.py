"""A convolution as a matrix product computes what torch's does, gradients too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from training.arm.convolution import ColumnsConv2d


@pytest.mark.parametrize(("stride", "side"), [(1, 4), (2, 7), (2, 8)])
def test_values_and_gradients_are_those_of_an_ordinary_convolution(stride: int, side: int) -> None:
    torch.manual_seed(0)
    columns = ColumnsConv2d(16, 24, 3, stride, 1, bias=False).train()
    ordinary = nn.Conv2d(16, 24, 3, stride, 1, bias=False)
    ordinary.load_state_dict(columns.state_dict())
    x, towards = torch.randn(5, 16, side, side), torch.randn(5, 24, -(-side // stride), -(-side // stride))

    def answers(conv: nn.Conv2d, bf16: bool) -> list[Tensor]:
        given = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found = conv(given)
        (found.float() * towards).sum().backward()
        assert conv.weight.grad is not None
        assert given.grad is not None
        return [found.float(), conv.weight.grad, given.grad]

    for wanted, found in zip(answers(ordinary, False), answers(columns, True), strict=True):
        assert (found - wanted).norm() / wanted.norm() < 0.01, "bf16 has 8 bits"


def test_in_evaluation_and_in_float32_it_is_an_ordinary_convolution() -> None:
    columns = ColumnsConv2d(4, 8, 3, 2, 1, bias=False)
    x = torch.randn(2, 4, 9, 9)
    wanted = nn.functional.conv2d(x, columns.weight, None, 2, 1)
    assert torch.equal(columns(x), wanted)
    with torch.autocast("cpu", torch.bfloat16):
        assert columns.eval()(x).dtype == torch.bfloat16
