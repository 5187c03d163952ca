"""Expression generators and their critics: ours, conditioned by FiLM on a change of units; GANimation as published.

Sizes: B batch, C channels, H W = 128 rows and columns, K = 17 action units, F features of the condition. Faces are RGB
in [0, 255], `face_B3HW` float32. A generator gives a colour picture and a mask in [0, 1], 1 where it repaints; `blend`
puts them together. No step of a generator looks at another row, and sums run over the last axis alone: over another
one onnxruntime's order of addition, and with it the last bits, depends on the batch.

Sources: Pumarola et al., "GANimation", ECCV 2018, and published measurements of its layers, written from the
description; relative units: Ling et al., ECCV 2020; FiLM: Perez et al., AAAI 2018; spectral norm: Miyato et al., ICLR
2018; projection: Miyato & Koyama, ICLR 2018.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

FACE_PX, UNITS = 128, 17
FEATURES = 64  # of the condition
GATE = 20.0  # a change whose parts sum to 0.1 already opens the mask by 86 %
EPSILON = 1e-5
PHASES = 4  # of a picture taken apart into every second row and column


def scaled(face_B3HW: Tensor) -> Tensor:
    """[0, 255] → [-1, 1]."""
    return face_B3HW / 127.5 - 1


def blend(face_B3HW: Tensor, colour_B3HW: Tensor, mask_B1HW: Tensor) -> Tensor:
    """(1 - mask) * face + mask * colour; exactly the face where the mask is 0."""
    return (1 - mask_B1HW) * face_B3HW + mask_B1HW * colour_B3HW


def normalised(x_BCHW: Tensor) -> Tensor:
    """Instance norm: each channel of each picture to mean 0 and deviation 1, in float32.

    Written out for the exported graph; a training's gradients are faster through one fused step.
    """
    if torch.is_grad_enabled() and not torch.compiler.is_exporting():
        return F.group_norm(x_BCHW.float(), x_BCHW.shape[1], eps=EPSILON)
    flat_BCP = x_BCHW.float().flatten(2)
    centred_BCP = flat_BCP - flat_BCP.mean(2, keepdim=True)
    deviation_BC1 = (centred_BCP.square().mean(2, keepdim=True) + EPSILON).sqrt()
    return (centred_BCP / deviation_BC1).unflatten(2, x_BCHW.shape[2:])


def warped(face_B3HW: Tensor, flow_B2hw: Tensor) -> Tensor:
    """Each pixel taken from where the flow points: pixels right and down, enlarged to the face's size, linear between
    pixels; beyond the edge the edge is repeated."""
    height, width = face_B3HW.shape[2:]
    flow_B2HW = F.interpolate(flow_B2hw, size=(height, width), mode="bilinear", align_corners=False)
    rows_H = (torch.arange(height, device=face_B3HW.device) + 0.5) * (2 / height) - 1
    columns_W = (torch.arange(width, device=face_B3HW.device) + 0.5) * (2 / width) - 1
    where_BHW2 = torch.stack(
        [flow_B2HW[:, 0] * (2 / width) + columns_W, flow_B2HW[:, 1] * (2 / height) + rows_H[:, None]], 3
    )
    return F.grid_sample(face_B3HW.float(), where_BHW2, mode="bilinear", padding_mode="border", align_corners=False)


class FilmConv(nn.Module):
    """Convolution, instance norm, then a scale and a shift for each channel that the condition decides.

    Planes of units beside the picture do not survive the norm that follows (they are constant, and it subtracts the
    mean); a modulation after it does.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, (kernel - 1) // 2, bias=False)
        self.film = nn.Linear(FEATURES, 2 * out_channels)

    def forward(self, x_BCHW: Tensor, condition_BF: Tensor) -> Tensor:
        scale_BC, shift_BC = self.film(condition_BF).float().chunk(2, 1)
        return normalised(self.conv(x_BCHW)) * (1 + scale_BC[:, :, None, None]) + shift_BC[:, :, None, None]


class FilmBlock(nn.Module):
    """Two modulated convolutions and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = FilmConv(channels, channels, 3)
        self.second = FilmConv(channels, channels, 3)

    def forward(self, x_BCHW: Tensor, condition_BF: Tensor) -> Tensor:
        return x_BCHW + self.second(F.relu(self.first(x_BCHW, condition_BF)), condition_BF)


class Generator(nn.Module):
    """Face [B, 3, H, W] in [0, 255] and change of units [B, K] in [-1, 1] (target minus source) → colour, mask.

    An expression moves what is there before it paints anything: the colour picture is the face warped by a flow of up
    to `reach` pixels (0 = no flow), then made lighter or darker by a share of the room that is left to 255 or to 0, so
    it never leaves [0, 255]. A warp keeps the stone's grain, which a picture painted anew would lose.

    All layers work at 64, 32 and 16 px: the face comes in as four phases of 64 px, share and mask leave as such, the
    flow is enlarged; the encoder's maps of 64 and 32 px are added in the decoder. The mask is multiplied by
    1 - exp(-20 sum|change|): no change is no mask, exactly.
    """

    def __init__(self, width: int = 24, blocks: int = 4, reach: float = 16.0) -> None:
        super().__init__()
        self.reach = reach
        self.embed = nn.Sequential(nn.Linear(UNITS, FEATURES), nn.ReLU(), nn.Linear(FEATURES, FEATURES), nn.ReLU())
        self.stem = FilmConv(3 * PHASES, 2 * width, 3)
        self.down_32 = FilmConv(2 * width, 4 * width, 4, 2)
        self.down_16 = FilmConv(4 * width, 8 * width, 4, 2)
        self.blocks = nn.ModuleList(FilmBlock(8 * width) for _ in range(blocks))
        self.up_32 = FilmConv(8 * width, 4 * width, 3)
        self.up_64 = FilmConv(4 * width, 2 * width, 3)
        self.refine = FilmConv(2 * width, 2 * width, 3)
        self.paint = nn.Conv2d(2 * width, 4 * PHASES, 3, 1, 1)
        self.flow = nn.Conv2d(2 * width, 2, 3, 1, 1)
        # Without this a change would begin as a whisper beside the biases, alike for every unit.
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        for head in (self.paint, self.flow):  # it begins as nearly a copy
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(self, face_B3HW: Tensor, change_BK: Tensor) -> tuple[Tensor, Tensor]:
        condition_BF = self.embed(change_BK)
        phases = F.pixel_unshuffle(scaled(face_B3HW), 2)
        half = F.relu(self.stem(phases, condition_BF))
        quarter = F.relu(self.down_32(half, condition_BF))
        x_BCHW = F.relu(self.down_16(quarter, condition_BF))
        for block in self.blocks:
            x_BCHW = block(x_BCHW, condition_BF)
        x_BCHW = F.relu(self.up_32(_twice(x_BCHW), condition_BF)) + quarter
        x_BCHW = F.relu(self.up_64(_twice(x_BCHW), condition_BF)) + half
        x_BCHW = F.relu(self.refine(x_BCHW, condition_BF))
        painted_B4HW = F.pixel_shuffle(self.paint(x_BCHW).float(), 2)
        moved_B3HW = warped(face_B3HW, self.reach * torch.tanh(self.flow(x_BCHW).float())) if self.reach else face_B3HW
        # One share for all colours, the mean of three: each with its own tinted lips and folds green and violet.
        share_B1HW = torch.tanh(painted_B4HW[:, :3]).mean(1, keepdim=True)
        colour_B3HW = moved_B3HW + F.relu(share_B1HW) * (255 - moved_B3HW) - F.relu(-share_B1HW) * moved_B3HW
        opened_B = 1 - torch.exp(-GATE * change_BK.abs().sum(1))
        return colour_B3HW, torch.sigmoid(painted_B4HW[:, 3:]) * opened_B[:, None, None, None]


class Critic(nn.Module):
    """Face [B, 3, H, W] in [0, 255] and the change [B, K] that is said to have led to it → verdicts [B, 1, 8, 8].

    Convolutions under spectral norm; a patch's verdict is the sum of what it is like and of its product with the
    embedded change.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        sizes = (3, width, 2 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [spectral_norm(nn.Conv2d(before, after, 4, 2, 1)), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers)
        self.verdict = spectral_norm(nn.Conv2d(sizes[-1], 1, 3, 1, 1))
        self.embed = spectral_norm(nn.Linear(UNITS, sizes[-1], bias=False))

    def forward(self, face_B3HW: Tensor, change_BK: Tensor) -> Tensor:
        x_BCHW = self.layers(scaled(face_B3HW))
        fitting_B1HW = (x_BCHW * self.embed(change_BK)[:, :, None, None]).sum(1, keepdim=True)
        return (self.verdict(x_BCHW) + fitting_B1HW).float()


class PublishedGenerator(nn.Module):
    """GANimation's generator: face [B, 3, H, W] in [0, 255] and target units [B, K] in [0, 1] → colour, mask.

    The units are planes beside the picture; instance norms are affine, without running statistics. The attention head
    was published as what is kept of the source; the mask here is what is repainted, one minus it. At other sizes than
    128 px, or with another padding than zeros, the units would hardly reach the output.
    """

    def __init__(self, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_normed(nn.Conv2d(3 + UNITS, width, 7, 1, 3, bias=False), width)]
        for factor in (1, 2):
            layers += _normed(nn.Conv2d(factor * width, 2 * factor * width, 4, 2, 1, bias=False), 2 * factor * width)
        layers += [_Residual(4 * width) for _ in range(blocks)]
        for factor in (4, 2):
            up = nn.ConvTranspose2d(factor * width, factor * width // 2, 4, 2, 1, bias=False)
            layers += _normed(up, factor * width // 2)
        self.layers = nn.Sequential(*layers)
        self.colour = nn.Conv2d(width, 3, 7, 1, 3, bias=False)
        self.attention = nn.Conv2d(width, 1, 7, 1, 3, bias=False)
        _initialise(self)

    def forward(self, face_B3HW: Tensor, target_BK: Tensor) -> tuple[Tensor, Tensor]:
        planes_BKHW = target_BK[:, :, None, None].expand(-1, -1, *face_B3HW.shape[2:])
        x_BCHW = self.layers(torch.cat([scaled(face_B3HW), planes_BKHW], 1))
        colour_B3HW = (torch.tanh(self.colour(x_BCHW).float()) + 1) * 127.5
        return colour_B3HW, 1 - torch.sigmoid(self.attention(x_BCHW).float())


class PublishedCritic(nn.Module):
    """GANimation's critic: face [B, 3, H, W] in [0, 255] → verdicts [B, 1, 2, 2], units [B, K]; no norm."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for depth in range(6):
            layers += [nn.Conv2d(before, width * 2**depth, 4, 2, 1), nn.LeakyReLU(0.01)]
            before = width * 2**depth
        self.layers = nn.Sequential(*layers)
        self.verdict = nn.Conv2d(before, 1, 3, 1, 1, bias=False)
        self.units = nn.Conv2d(before, UNITS, 2, bias=False)
        _initialise(self)

    def forward(self, face_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        x_BCHW = self.layers(scaled(face_B3HW))
        return self.verdict(x_BCHW).float(), self.units(x_BCHW).float().flatten(1)


class RowwiseLinear(nn.Module):
    """A linear layer [B, F] → [B, K] written as a sum of products for each row.

    Matrix products choose their order of addition by the number of rows, so the last bits of one face's answer would
    depend on how many strangers share its batch. Sums along a row do not.
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x_BF: Tensor) -> Tensor:
        return (x_BF.unsqueeze(1) * self.weight).sum(2) + self.bias


class ServedGenerator(nn.Module):
    """What is exported: uint8 RGB faces [B, 128, 128, 3] and change [B, K] float32 → rendered faces uint8
    [B, 128, 128, 3], rounded, and mask float32 [B, 128, 128].

    A change beyond [-1, 1] is clipped, a part that is not a number counts as none. Matrix products over the batch are
    written as sums along each row.
    """

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).eval()
        for module in list(self.network.modules()):
            for name, layer in module.named_children():
                if isinstance(layer, nn.Linear):
                    setattr(module, name, RowwiseLinear(layer))

    def forward(self, image_BHWC: Tensor, change_BK: Tensor) -> tuple[Tensor, Tensor]:
        face_B3HW = image_BHWC.float().permute(0, 3, 1, 2)
        known_BK = torch.where(torch.isnan(change_BK), torch.zeros_like(change_BK), change_BK).clamp(-1, 1)
        colour_B3HW, mask_B1HW = self.network(face_B3HW, known_BK)
        rendered_B3HW = blend(face_B3HW, colour_B3HW, mask_B1HW).round().clamp(0, 255)
        return rendered_B3HW.permute(0, 2, 3, 1).to(torch.uint8), mask_B1HW[:, 0]


class _Residual(nn.Module):
    """GANimation's residual block: two convolutions with norms and a shortcut, nothing after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first = _normed(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), channels)
        second = _normed(nn.Conv2d(channels, channels, 3, 1, 1, bias=False), channels)[:2]
        self.layers = nn.Sequential(*first, *second)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + self.layers(x_BCHW)


def _normed(conv: nn.Module, channels: int) -> list[nn.Module]:
    return [conv, nn.InstanceNorm2d(channels, affine=True), nn.ReLU()]


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _twice(x_BCHW: Tensor) -> Tensor:
    return F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest")
