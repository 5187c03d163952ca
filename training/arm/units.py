"""Action units beside the expressions, in training alone."""

from __future__ import annotations

from torch import Tensor, nn

from training.arm.networks import ARM, ResNet18


class WithUnits(nn.Module):
    """A classifier in training, and beside its head a linear layer that reads `units` action units from the same maps:
    luma [B, 1, H, W] → logits [B, K], logits of the units [B, U]. Units are known exactly of rendered heads, and say
    more of a face than its expression's name; what is learnt for them is there for the head (multi-task learning,
    Caruana, Machine Learning 28, 1997)."""

    def __init__(self, classifier: ResNet18 | ARM, features: int, units: int) -> None:
        super().__init__()
        self.classifier, self.units = classifier, nn.Linear(features, units)

    def forward(self, luma_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        features_BChw = self.classifier.backbone(luma_B1HW)
        return self.classifier.head(features_BChw), self.units(features_BChw.mean((2, 3)))
