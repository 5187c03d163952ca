"""The attentive classifier: what ResNet-18's last cells say of a face, and what lies under each of 68 landmarks.

Sizes: B batch, C channels, K = 7 expressions, L = 68 landmarks, P = 32 x 32 places of a heat map, N = 16 cells of the
last stage's maps, row by row. Luma is in [0, 255], float32 of 112 px, as everywhere in `training/`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.arm.cellwise import CellwiseLinear
from training.arm.networks import ARM, FACE_PX, FoldedARM
from training.data.faces import EXPRESSIONS
from training.shape.networks import BEYOND, LANDMARKS, MAP, Landmarker, Look

SIDE = 4  # cells of the last stage along a side
FEATURES, UNDER = 512, 32 + 2  # of a cell; of a landmark: what lies under it, and where it lies in the shape


class AttentiveClassifier(Landmarker):
    """Luma [B, 1, 112, 112] → logits of the expressions [B, K], then all that a landmarker tells of it.

    The logits are a linear layer on the cells of ResNet-18's last stage and another on the landmarks: both are affine
    in what was seen, so `AttentiveEvidence` can say exactly what each place of the face adds. Landmarks and units are
    told in training alone, of faces whose truth is known; they teach the maps where brows, lids and lips are.
    """

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(dropout, depth=4)
        self.cells = nn.Linear(FEATURES * SIDE * SIDE, len(EXPRESSIONS))
        self.parts = nn.Linear(LANDMARKS * UNDER, len(EXPRESSIONS), bias=False)
        nn.init.zeros_(self.parts.weight)

    def forward(self, luma_B1HW: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        look = self.look(luma_B1HW)
        logits_BK = self.cells(self.last(look).flatten(1)).float() + self.parts(under(look).flatten(1)).float()
        return logits_BK, self.tell(look)

    def evidence(self, face_px: int = FACE_PX) -> AttentiveEvidence:
        """See `training.arm.networks.Classifier`; its heat maps take no other size than 112."""
        return AttentiveEvidence(self)

    def last(self, look: Look) -> Tensor:
        """The last stage's maps [B, C, 4, 4]."""
        return self.backbone.stages[6:](look.coarse)

    def begin_as(self, classifier: ARM) -> None:
        """Take over a classifier's last stage and what it says of its cells."""
        self.backbone.stages[6:].load_state_dict(classifier.backbone.stages[6:].state_dict())
        self.cells.load_state_dict(FoldedARM(classifier).fc.state_dict())


class AttentiveEvidence(nn.Module):
    """The classifier as what each cell of a 4 x 4 grid says: luma [B, 1, H, W] → evidence [B, K, 4, 4], whose sum over
    the cells is the logits, less the mean of a row's. What a landmark says counts in the cells where its heat lies.
    """

    def __init__(self, network: AttentiveClassifier) -> None:
        super().__init__()
        self.network = network
        with torch.no_grad():
            cells_KLC = network.cells.weight.unflatten(1, (FEATURES, SIDE * SIDE)).transpose(1, 2)
            bias_K = network.cells.bias / SIDE**2
            parts_KLC = network.parts.weight.unflatten(1, (LANDMARKS, UNDER))
        self.fc = CellwiseLinear(cells_KLC - cells_KLC.mean(0), bias_K - bias_K.mean())
        self.register_buffer("parts_KLC", parts_KLC - parts_KLC.mean(0))
        self.register_buffer("places_NP", places_of_cells())

    def forward(self, luma_B1HW: Tensor) -> Tensor:
        look = self.network.look(luma_B1HW)
        cells_BKN = self.fc(self.network.last(look))
        said_BKL = (under(look).unsqueeze(1) * self.parts_KLC).sum(3)
        heat_BLP = F.pad(look.heat.flatten(2), (0, 1))  # with a place that holds nothing
        share_BLN = heat_BLP[:, :, self.places_NP.flatten()].unflatten(2, self.places_NP.shape).sum(3)
        parts_BKN = (said_BKL.unsqueeze(2) * share_BLN.transpose(1, 2).unsqueeze(1)).sum(3)
        return (cells_BKN + parts_BKN).unflatten(2, (SIDE, SIDE))


def under(look: Look) -> Tensor:
    """[B, L, 34]: what lies under each landmark, and where it lies in the shape."""
    return torch.cat([look.under.float(), look.shape], 2)


def places_of_cells() -> Tensor:
    """[N, 81] which places of a heat map lie in a cell; beyond the crop they belong to the nearest. Filled up with the
    number of places."""
    side = MAP + 2 * BEYOND
    cell = ((torch.arange(side) - BEYOND).clamp(0, MAP - 1) * SIDE) // MAP
    of_place = (cell[:, None] * SIDE + cell).flatten()
    found = [torch.nonzero(of_place == number).flatten() for number in range(SIDE * SIDE)]
    return nn.utils.rnn.pad_sequence(found, batch_first=True, padding_value=side * side)
