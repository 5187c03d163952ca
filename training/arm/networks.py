"""ResNet-18 and ARM on ResNet-18: the two expression classifiers, and the graph that is served.

Sizes: B batch, C channels, H W rows and columns, K = 7 expressions. Inside `training/` images are
luma in [0, 255], `image_B1HW` float32; the served graph takes uint8 RGB, `image_BHWC`.

Sources: ResNet-18: He et al., CVPR 2016. ARM: Shi, Zhu & Liang, "Learning to Amend Facial
Expression Representation via De-albino and Affinity" (arXiv 2103.10189), written from the paper's description.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.arm.cellwise import CellwiseLinear
from training.arm.convolution import ColumnsConv2d

_COLUMNS_FROM = 512  # channels
FACE_PX = 112  # side of the square face that the classifiers take
LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV's RGB→grey: FER+ was stored as that grey


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; `stride` 2 halves H and W."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        conv = ColumnsConv2d if out_channels >= _COLUMNS_FROM else nn.Conv2d
        self.conv1 = conv(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = conv(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x_BCHW)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x_BCHW))


class Backbone(nn.Module):
    """ResNet-18 without pooling and classifier: luma [B, 1, H, W] → features [B, 512, H/32, W/32] (rounded up).

    Each face is first brought to zero mean and unit deviation of its own luma, so that light and
    contrast cancel and no other row of the batch plays a part. For small faces and quick tries it can be narrower
    (8 `width` features instead of 512) and of `stride` 16, which leaves out the stem's pooling. `depth`: only so many
    of its four stages.
    """

    def __init__(self, width: int = 64, stride: int = 32, depth: int = 4) -> None:
        super().__init__()
        pool = [nn.MaxPool2d(3, 2, 1)] if stride == 32 else []
        self.stem = nn.Sequential(nn.Conv2d(1, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), *pool)
        stages: list[nn.Module] = []
        in_channels = width
        for out_channels, step in ((width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2))[:depth]:
            stages += [BasicBlock(in_channels, out_channels, step), BasicBlock(out_channels, out_channels, 1)]
            in_channels = out_channels
        self.stages = nn.Sequential(*stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        return self.stages(self.stem(standardise(luma_B1HW)))

    def first(self, stages: int) -> nn.ModuleList:
        """The stem and so many of the stages, each of two blocks; nothing for 0."""
        return nn.ModuleList([self.stem, *self.stages[: 2 * stages]] if stages else [])


def standardise(luma_B1HW: Tensor) -> Tensor:
    """Each image to zero mean, unit standard deviation; a flat image (deviation under 1 of 255) stays near zero."""
    centred = luma_B1HW - luma_B1HW.mean((1, 2, 3), keepdim=True)
    return centred / centred.square().mean((1, 2, 3), keepdim=True).add(1.0).sqrt()


class ResNet18(nn.Module):
    """The baseline: backbone, global average pooling, one linear layer. Luma [B, 1, H, W] → logits [B, K]."""

    def __init__(self, classes: int = 7, dropout: float = 0.0, width: int = 64, stride: int = 32) -> None:
        super().__init__()
        self.backbone = Backbone(width, stride)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width, classes)

    def head(self, features_BChw: Tensor) -> Tensor:
        """The backbone's last maps → logits [B, K]."""
        return self.fc(self.dropout(features_BChw.mean((2, 3))))

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        return self.head(self.backbone(luma_B1HW))

    def evidence(self, face_px: int = FACE_PX) -> Evidence:
        return Evidence(self, face_px)


class ARM(nn.Module):
    """ARM on ResNet-18. Luma [B, 1, face_px, face_px] → logits [B, K].

    Feature arrangement (FA): pixel shuffle by 16 lays the 512 channels of one place out as a 16x16 tile, 2 maps.
    De-albino (DA): one shared 1→1 convolution, kernel 32 = two tiles, stride 8, no padding, then batch norm; the
    border, eroded by zero padding in the backbone, is covered by fewer windows and so weighs less.
    Sharing affinity (SA): mean over the 2 maps + alpha x the mean over batch and maps.

    The published SA takes the batch's mean at test time too, so that a face's answer depends on the strangers
    beside it. As FC is linear, SA adds `alpha * FC(batch mean)` to every row's logits: a shift common to the batch.
    Training keeps it as published and tracks its running mean; evaluation and export use that constant, so a row
    depends on itself alone.

    A narrower backbone has smaller tiles, of 2 √width instead of 16, and all else in proportion: again 2 maps.
    """

    def __init__(
        self,
        classes: int = 7,
        dropout: float = 0.0,
        face_px: int = FACE_PX,
        momentum: float = 0.01,
        width: int = 64,
        stride: int = 32,
    ) -> None:
        super().__init__()
        tile, cells = 2 * math.isqrt(width), math.ceil(face_px / stride)
        self.face_px = face_px
        self.backbone = Backbone(width, stride)
        self.arrange = nn.PixelShuffle(tile)
        self.dealbino = nn.Conv2d(1, 1, 2 * tile, tile // 2, bias=False)
        self.bn = nn.BatchNorm2d(2)
        self.alpha = nn.Parameter(torch.ones(()))
        side = 2 * cells - 3
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(side * side, classes)
        self.momentum = momentum
        self.register_buffer("shared_mean", torch.zeros(side, side))
        nn.init.normal_(self.dealbino.weight, std=1 / (2 * tile))

    def arranged(self, luma_B1HW: Tensor) -> Tensor:
        """FA and DA: [B, 2, side, side]."""
        return self.amended(self.backbone(luma_B1HW))

    def amended(self, features_BChw: Tensor) -> Tensor:
        """FA and DA of the backbone's last maps: [B, 2, side, side]."""
        maps_B2HW = self.arrange(features_BChw)
        batch, channels, height, width = maps_B2HW.shape
        maps = maps_B2HW.reshape(batch * channels, 1, height, width)
        # The kernel is as wide as 4 strides: with a stride's square laid out as channels, the same sums are a dense 4x4
        # convolution. The sparse one's gradient was over a quarter of a training step in bf16 on a CPU.
        stride = self.dealbino.stride[0]
        amended = F.conv2d(F.pixel_unshuffle(maps, stride), F.pixel_unshuffle(self.dealbino.weight, stride))
        return self.bn(amended.reshape(batch, channels, *amended.shape[2:]))

    def head(self, features_BChw: Tensor) -> Tensor:
        """The backbone's last maps → logits [B, K]."""
        maps_B2HW = self.amended(features_BChw).float()
        shared_HW = self.shared_mean
        if self.training:
            shared_HW = maps_B2HW.mean((0, 1))
            with torch.no_grad():
                self.shared_mean.lerp_(shared_HW, self.momentum)
        amended_BHW = maps_B2HW.mean(1) + self.alpha * shared_HW
        return self.fc(self.dropout(amended_BHW.flatten(1)))

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        return self.head(self.backbone(luma_B1HW))

    def evidence(self, face_px: int = FACE_PX) -> Evidence:
        return Evidence(FoldedARM(self), face_px)


class FoldedARM(nn.Module):
    """ARM at evaluation with everything after the backbone folded into one affine map [B, 512*h*w] → [B, K].

    FA, DA, batch norm, the mean over maps, SA with its constant and FC are all affine, so their composition is
    found exactly by sending the unit vectors through them once. One Gemm instead of a 32x32 convolution that
    some hardware lacks.
    """

    def __init__(self, arm: ARM) -> None:
        super().__init__()
        self.backbone = arm.backbone
        head = arm.eval().head
        with torch.no_grad():
            features = torch.zeros_like(arm.backbone(torch.zeros(1, 1, arm.face_px, arm.face_px)))
            bias, width = head(features), features.numel()
            # in parts: at stride 16 all unit vectors together are 2.5 GB
            parts = (F.one_hot(rows, width).float() for rows in torch.arange(width).split(1024))
            weight = torch.cat([head(part.reshape(-1, *features.shape[1:])) for part in parts]) - bias
        self.fc = nn.Linear(width, bias.shape[1])
        self.fc.weight.data = weight.T.contiguous()
        self.fc.bias.data = bias[0]

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        return self.fc(self.backbone(luma_B1HW).flatten(1))


class Evidence(nn.Module):
    """A classifier with a linear head, written as what each cell of its last maps says: luma [B, 1, H, W] → evidence
    [B, K, h, w], whose sum over the cells is the logits, less the mean of a row's.

    That is exact, not an estimate: the head of `FoldedARM` is affine in the maps; average pooling with one linear layer
    is the same with weights that all cells share (class activation mapping, Zhou et al., CVPR 2016). The bias is spread
    evenly.
    """

    def __init__(self, classifier: nn.Module, face_px: int = FACE_PX) -> None:
        super().__init__()
        self.backbone: nn.Module = classifier.backbone  # type: ignore[assignment]
        fc: nn.Linear = classifier.fc  # type: ignore[assignment]
        with torch.no_grad():
            _, channels, self.side, _ = self.backbone.eval()(torch.zeros(1, 1, face_px, face_px)).shape
        cells = self.side**2
        if fc.in_features == channels:  # pooled
            weight_KCL = (fc.weight / cells)[..., None].expand(-1, -1, cells)
        else:
            weight_KCL = fc.weight.unflatten(1, (channels, cells))
        weight_KLC, bias_K = weight_KCL.transpose(1, 2), fc.bias / cells
        self.fc = CellwiseLinear(weight_KLC - weight_KLC.mean(0), bias_K - bias_K.mean())

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        return self.fc(self.backbone(luma_B1HW)).unflatten(2, (self.side, self.side))


class ServedClassifier(nn.Module):
    """What is exported: uint8 RGB faces [B, 112, 112, 3] → probabilities [B, K], each row summing to 1, and
    evidence [B, K, h, w], both float32.

    Luma is taken inside the graph: colour, a tint or a patina never reaches the network, which learnt from grey
    faces. The evidence of the face and of its mirror image, mirrored back, is averaged: twice the work, a little more
    accuracy, and a mirrored face gets the same answer. `temperature` is the calibration found on validation faces (1 =
    none).

    Evidence is what each cell of the face adds to the log-odds of an expression against the mean of all seven: softmax
    of its sum over the cells is the probabilities.
    """

    def __init__(self, evidence: Evidence, temperature: float = 1.0) -> None:
        super().__init__()
        self.classifier = evidence
        self.temperature = temperature
        self.register_buffer("luma_weights", torch.tensor(LUMA_WEIGHTS))

    def forward(self, image_BHWC: Tensor) -> tuple[Tensor, Tensor]:
        luma_B1HW = (image_BHWC.float() * self.luma_weights).sum(-1).unsqueeze(1)
        both_2BKhw = self.classifier(torch.cat([luma_B1HW, luma_B1HW.flip(3)])).unflatten(0, (2, -1))
        evidence_BKhw = (both_2BKhw[0] + both_2BKhw[1].flip(3)) / (2 * self.temperature)
        return torch.softmax(evidence_BKhw.flatten(2).sum(2), dim=1), evidence_BKhw


def build(
    method: str, dropout: float = 0.0, face_px: int = FACE_PX, width: int = 64, stride: int = 32
) -> ARM | ResNet18:
    """The network of a method, `arm` or `resnet18`; `width` and `stride` are the backbone's.

    Raises:
        ValueError: an unknown method, a backbone that cannot be, or a face too small for ARM.
    """
    if method not in ("arm", "resnet18"):
        raise ValueError(f"unknown method {method!r}: choose one of arm, resnet18")
    if stride not in (16, 32) or width < 4 or math.isqrt(width) ** 2 != width:
        raise ValueError(f"width must be a square number from 4 on and stride 16 or 32, not {width} and {stride}")
    if method == "resnet18":
        return ResNet18(dropout=dropout, width=width, stride=stride)
    if face_px <= 2 * stride:
        raise ValueError(f"arm at stride {stride} needs faces of more than {2 * stride} px, these have {face_px} px")
    return ARM(dropout=dropout, face_px=face_px, width=width, stride=stride)


def served(network: ARM | ResNet18, temperature: float = 1.0, face_px: int = FACE_PX) -> ServedClassifier:
    """The network as it is exported, for faces of `face_px`: its head as evidence, a row's sums its own.

    `network` keeps its layers.
    """
    return ServedClassifier(network.evidence(face_px), temperature).eval()
