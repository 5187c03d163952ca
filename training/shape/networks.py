"""The face landmarker: one trunk, a closer look at eyes, nose and mouth, three heads, and the graph that is served.

Sizes: B batch, C channels, H W rows and columns, L = 68 landmarks, K = 17 action units, P = 32 x 32 places of a heat
map. Inside `training/` crops are luma in [0, 255], `luma_B1HW` float32 of 112 px; landmarks are in units of the crop's
side. Every layer of the heads is a convolution or a sum along a row, so that a row depends on itself alone. Sums run
over the last axis: over another one onnxruntime's order of addition, and with it the last bits, depends on the batch.

Sources: residual blocks: He et al., CVPR 2016; landmarks as expectations of heat maps: Sun et al., "Integral human
pose regression", ECCV 2018; the top-down path: Lin et al., "Feature pyramid networks", CVPR 2017.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.arm.networks import FACE_PX, LUMA_WEIGHTS, Backbone, standardise
from training.clay.corpus import MIRROR
from training.shape.closer import FEATURES, PARTS, Closer

LANDMARKS, UNITS = 68, 17
MAP = FACE_PX // 4  # cells of the finest map along a side
# The heat maps reach two cells beyond the crop on every side, so that a chin that was cut off has a place.
BEYOND = 2
QUALITY_SCALE = 0.05  # the expected error, in units of the crop's side, at which quality has fallen to 1/e


class Landmarker(nn.Module):
    """Luma [B, 1, 112, 112] → landmarks [B, L, 2] (x, y) in units of the crop's side, logits of the units [B, K],
    logit of the share of landmarks that can be seen [B], log of their expected mean error in the crop's sides [B], and
    the units' contrast [B, K], which training alone has.

    The trunk is the classifiers' without its last stage, so that it can begin as one that reads expressions.
    Landmarks: heat maps [B, L, 32, 32] at a quarter of the resolution; each landmark is the expectation of its map,
    which `Closer` then corrects for all but the jaw's sides.
    Action units: what the fused map holds under each landmark's heat, the shape itself (moved to its centre, scaled to
    unit size), the coarsest map's mean, and what the closer look saw. Their gradient stops at maps and shape.
    Contrast: the units again, but for a constant of each head, camera and light; see `losses.contrast`.
    Uncertainty: the coarsest map's mean and how wide each heat map is.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.backbone = Backbone(depth=3)
        self.from_coarse = nn.Conv2d(256, 64, 1)
        self.from_middle = nn.Conv2d(128, 64, 1)
        self.from_fine = nn.Conv2d(64, 64, 1)
        self.from_finest = nn.Conv2d(64, 64, 2, 2)  # what the stem saw at half the resolution: lids are a few pixels
        self.blend = nn.Sequential(nn.Conv2d(64, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.sharpen = nn.Sequential(nn.Conv2d(64, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        self.heat = nn.Conv2d(64, LANDMARKS, 1)
        self.local = nn.Sequential(nn.Conv2d(64, 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.closer = Closer()
        self.level = nn.BatchNorm2d(2 * LANDMARKS, affine=False)
        self.reading = nn.Sequential(
            nn.Conv2d(32 * LANDMARKS + 2 * LANDMARKS + 256 + PARTS * FEATURES, 256, 1, bias=False),
            nn.BatchNorm2d(256), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip
        self.units = nn.Sequential(nn.Conv2d(256, UNITS, 1))
        self.contrast = nn.Sequential(nn.Conv2d(256, UNITS, 1))
        self.trust = nn.Sequential(nn.Conv2d(256 + LANDMARKS, 32, 1), nn.ReLU(), nn.Conv2d(32, 2, 1))
        places = (torch.arange(MAP + 2 * BEYOND) - BEYOND + 0.5) / MAP
        self.register_buffer("places", places, persistent=False)

    def forward(self, luma_B1HW: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        stem, stages = self.backbone.stem, self.backbone.stages
        finest = stem[:3](standardise(luma_B1HW))
        fine = stages[:2](stem[3](finest))
        middle = stages[2:4](fine)
        coarse = stages[4:](middle)
        blended = self.blend(_twice(self.from_coarse(coarse)) + self.from_middle(middle))
        seen_finely = self.from_fine(fine) + self.from_finest(finest)
        fused = self.sharpen(F.pad(_twice(blended) + seen_finely, [BEYOND] * 4))
        heat_BLHW = torch.softmax(self.heat(fused).float().flatten(2), 2).unflatten(2, fused.shape[2:])
        rough_BL2, spread_BL = self.expectation(heat_BLHW)
        parts_BF11, correction_BL2 = self.closer(finest, rough_BL2.detach())
        landmarks_BL2 = rough_BL2 + correction_BL2
        pooled_BC11 = coarse.mean((2, 3), keepdim=True)
        local_BPC = self.local(fused).flatten(2).transpose(1, 2)
        under_BLC = heat_BLHW.detach().flatten(2).to(local_BPC.dtype) @ local_BPC
        shape_BC11 = self.level(_normalised(landmarks_BL2.detach()).flatten(1)[:, :, None, None])
        under_BC11 = under_BLC.flatten(1)[:, :, None, None]
        read_BC11 = self.reading(torch.cat([under_BC11.float(), shape_BC11, pooled_BC11.float(), parts_BF11], 1))
        units_BK, contrast_BK = (head(read_BC11).flatten(1).float() for head in (self.units, self.contrast))
        trust_B2 = self.trust(torch.cat([pooled_BC11.float(), spread_BL.detach()[:, :, None, None]], 1)).flatten(1)
        return landmarks_BL2, units_BK, trust_B2[:, 0].float(), trust_B2[:, 1].float(), contrast_BK

    def expectation(self, heat_BLHW: Tensor) -> tuple[Tensor, Tensor]:
        """Mean place (x, y) and standard deviation of each heat map, in units of the crop's side."""
        along_x, along_y = heat_BLHW.sum(2), heat_BLHW.sum(3)
        x, y = (along_x * self.places).sum(2), (along_y * self.places).sum(2)
        square = (along_x * self.places**2).sum(2) + (along_y * self.places**2).sum(2)
        return torch.stack([x, y], 2), (square - x * x - y * y).clamp(min=1e-8).sqrt()


class ServedLandmarker(nn.Module):
    """What is exported: uint8 RGB crops [B, 112, 112, 3] → landmarks, action units, quality, frame.

    Quality = (share of landmarks expected to be visible) x exp(-(expected error) / `QUALITY_SCALE`).
    Frame: the similarity transform that lays `frame_shape` (in units of the wanted square) on the landmarks with the
    least weighted squared distance tells where that square lies: centre_x, centre_y, side, roll in degrees clockwise.
    Luma is taken inside the graph, so colour plays no part. The answers about the crop and about its mirror image are
    averaged: twice the work for truer landmarks and units, and a mirrored face is read alike.
    """

    def __init__(self, network: Landmarker, frame_shape_L2: Tensor, weight_L: Tensor) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        offsets = (f"closer.{part}.offset" for part in ("eye", "nose", "mouth"))
        for name in ("reading", "units", "trust", *offsets):
            self.network.set_submodule(name, rowwise(self.network.get_submodule(name)))
        weight_L1 = (weight_L / weight_L.sum()).unsqueeze(1)
        mean_2 = (frame_shape_L2 * weight_L1).sum(0)
        centred_L2 = frame_shape_L2 - mean_2
        # dot and cross products with the shape, weighted, over its squared size: the closed form of the transform
        self.register_buffer("basis_L2", centred_L2 * weight_L1 / (centred_L2.square() * weight_L1).sum())
        self.register_buffer("weight_L1", weight_L1)
        self.register_buffer("middle_2", 0.5 - mean_2)  # the square's middle, seen from the shape's
        self.register_buffer("luma_weights", torch.tensor(LUMA_WEIGHTS))
        self.register_buffer("mirror", torch.from_numpy(MIRROR))
        self.register_buffer("across", torch.tensor([-1.0, 1.0]))  # x in a mirror image is 1 - x
        self.register_buffer("origin", torch.tensor([1.0, 0.0]))

    def forward(self, image_BHWC: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        luma_B1HW = (image_BHWC.float() * self.luma_weights).sum(-1).unsqueeze(1)
        landmarks_NL2, logits_NK, visible_N, error_N, _ = self.network(torch.cat([luma_B1HW, luma_B1HW.flip(3)]))
        landmarks_2BL2 = landmarks_NL2.unflatten(0, (2, -1))
        mirrored_BL2 = landmarks_2BL2[1][:, self.mirror] * self.across + self.origin
        landmarks_BL2 = (landmarks_2BL2[0] + mirrored_BL2) / 2
        logits_BK, visible_B, error_B = (_halves_mean(each) for each in (logits_NK, visible_N, error_N))
        quality_B = torch.sigmoid(visible_B) * torch.exp(-torch.exp(error_B.clamp(max=2.0)) / QUALITY_SCALE)
        return landmarks_BL2, torch.sigmoid(logits_BK), quality_B.unsqueeze(1), self.frame(landmarks_BL2)

    def frame(self, landmarks_BL2: Tensor) -> Tensor:
        """[B, 4], see above (Umeyama, PAMI 1991, in two dimensions: a complex number times the shape plus a shift)."""
        x_BL, y_BL = landmarks_BL2[:, :, 0], landmarks_BL2[:, :, 1]
        weight_L, along_L, down_L = self.weight_L1[:, 0], self.basis_L2[:, 0], self.basis_L2[:, 1]
        mean_x_B, mean_y_B = (x_BL * weight_L).sum(1), (y_BL * weight_L).sum(1)
        from_x_BL, from_y_BL = x_BL - mean_x_B.unsqueeze(1), y_BL - mean_y_B.unsqueeze(1)
        cos_B = (from_x_BL * along_L + from_y_BL * down_L).sum(1)
        sin_B = (from_y_BL * along_L - from_x_BL * down_L).sum(1)
        # products, no powers: of a single row onnxruntime raises to a power in another way than of several
        side_B = (cos_B * cos_B + sin_B * sin_B).sqrt().clamp(min=1e-3)
        x, y = self.middle_2[0], self.middle_2[1]
        # the tangents of half the angle, which needs no case distinction, and of a quarter, which stays within 1
        half_B = sin_B / (side_B + cos_B).clamp(min=1e-6)
        roll_B = 4 * arctangent(half_B / (1 + (1 + half_B * half_B).sqrt())) * (180 / torch.pi)
        return torch.stack([mean_x_B + cos_B * x - sin_B * y, mean_y_B + sin_B * x + cos_B * y, side_B, roll_B], 1)


class RowwiseConv(nn.Module):
    """A 1x1 convolution of single cells [B, C, 1, 1] → [B, K, 1, 1], weights times a row's column for each row: as a
    convolution, once onnxruntime has laid it out anew, or with the rows as one matrix, a row's last bits would depend
    on its batch."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach().flatten(1))
        self.bias = nn.Parameter(torch.zeros(len(self.weight)) if conv.bias is None else conv.bias.detach())

    def forward(self, x_BC11: Tensor) -> Tensor:
        return ((self.weight @ x_BC11.flatten(1).unsqueeze(2))[:, :, 0] + self.bias)[:, :, None, None]


def rowwise(head: nn.Module) -> nn.Sequential:
    """A head of 1x1 convolutions, in evaluation mode, with every convolution by rows and every norm inside it."""
    layers: list[nn.Module] = []
    for layer in head.children():
        if isinstance(layer, nn.BatchNorm2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer)  # type: ignore[type-var]
        elif not isinstance(layer, nn.Dropout):
            layers.append(layer)
    return nn.Sequential(*(RowwiseConv(layer) if isinstance(layer, nn.Conv2d) else layer for layer in layers))


def arctangent(x: Tensor) -> Tensor:
    """Of -1 to 1, to 1e-5, by a minimax polynomial. Products and sums alone: onnxruntime's Atan gives other last bits
    at the end of a batch than in its middle."""
    square = x * x
    result = torch.full_like(x, -0.01172120)
    for coefficient in (0.05265332, -0.11643287, 0.19354346, -0.33262347, 0.99997726):
        result = result * square + coefficient
    return x * result


def _halves_mean(x_N: Tensor) -> Tensor:
    """[2B, …], the rows and once more their mirror images → [B, …]."""
    x_2B = x_N.unflatten(0, (2, -1))
    return (x_2B[0] + x_2B[1]) / 2


def _twice(x_BCHW: Tensor) -> Tensor:
    return F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest")


def _normalised(landmarks_BL2: Tensor) -> Tensor:
    """Moved to the centre of their gravity and scaled to unit root mean square distance from it."""
    x_BL, y_BL = landmarks_BL2[:, :, 0], landmarks_BL2[:, :, 1]
    x_BL, y_BL = x_BL - x_BL.mean(1, keepdim=True), y_BL - y_BL.mean(1, keepdim=True)
    size_B1 = ((x_BL.square() + y_BL.square()).mean(1, keepdim=True) / 2 + 1e-6).sqrt()
    return torch.stack([x_BL / size_B1, y_BL / size_B1], 2)
