"""The judge of expressions: a frozen landmarker that reads the units of a generator's faces, differentiable.

The critic of a generator can be fooled by it; a network that never learns cannot be persuaded, only gamed, so the final
word is an independent classifier's (`training/ganimation/evaluate.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.arm.networks import LUMA_WEIGHTS
from training.data.augment import resize
from training.ganimation.pieces import Pieces, as_tensor, middles
from training.shape import align, scores
from training.shape.networks import Landmarker
from training.warm_start import start_from

_BATCH = 64


class Judge(nn.Module):
    """RGB faces [B, 3, 128, 128] in [0, 255] → units [B, 17] in [0, 1]; weights from an exported landmarker, which also
    sees the mirror image: here that would double the work of every step.

    Raises:
        FileNotFoundError: no such file. ValueError: not a landmarker's.
    """

    def __init__(self, landmarker: Path, example_B3HW: Tensor) -> None:
        super().__init__()
        self.register_buffer("luma_weights", torch.tensor(LUMA_WEIGHTS)[:, None, None])
        self.network = Landmarker()
        start_from(self.network, landmarker, lambda: self.luma(example_B3HW))
        self.network.eval().requires_grad_(False)

    def luma(self, face_B3HW: Tensor) -> Tensor:
        """What the landmarker takes: [B, 1, 112, 112]."""
        return resize((face_B3HW * self.luma_weights).sum(1, keepdim=True), align.FACE_PX)

    def forward(self, face_B3HW: Tensor) -> Tensor:
        _, logits_BK, *_ = self.network(self.luma(face_B3HW))
        return torch.sigmoid(logits_BK)

    def train(self, mode: bool = True) -> Judge:
        """It stays in evaluation mode: its norms' statistics are the exported ones."""
        return super().train(False)


@torch.inference_mode()
def judged(judge: Judge, squares: NDArray[np.uint8], device: torch.device) -> NDArray[np.float32]:
    """Units `[n, 17]` of RGB squares `[n, 128, 128, 3]`."""
    parts = [judge(as_tensor(squares[at : at + _BATCH], device)).cpu() for at in range(0, len(squares), _BATCH)]
    return torch.cat(parts).numpy()


def readable(judge: Judge, faces: Pieces, least: float, device: torch.device) -> NDArray[np.float32]:
    """`[17]`: 1 for each unit whose judged values correlate with the truth by `least` or more, else 0."""
    r = scores.correlations(judged(judge, middles(faces.faces), device), faces.units)
    return (np.nan_to_num(r, nan=-1.0) >= least).astype(np.float32)
