"""How near rendered faces are to true ones, and how far two sets are apart; n RGB faces `[n, H, W, 3] uint8`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from training.arm.networks import LUMA_WEIGHTS
from training.ganimation.losses import gradient_difference

Faces = NDArray[np.uint8]
Floats = NDArray[np.floating]
_WINDOW, _DEVIATION = 11, 1.5


def luma(faces: Faces) -> NDArray[np.float32]:
    """`[n, H, W]` in [0, 255]."""
    return (faces.astype(np.float32) * np.array(LUMA_WEIGHTS, np.float32)).sum(3)


@torch.inference_mode()
def ssim(first: Faces, second: Faces) -> NDArray[np.float64]:
    """Structural similarity of each pair, `[n]` in [-1, 1] (Wang et al., IEEE TIP 2004): on luma, an 11 x 11 Gaussian
    window of deviation 1.5, only where it lies inside, K = .01 and .03."""
    at = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    bell = torch.exp(-at.square() / (2 * _DEVIATION**2))
    bell = bell / bell.sum()

    def blurred(x_B1HW: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.conv2d(x_B1HW, bell.view(1, 1, 1, -1)), bell.view(1, 1, -1, 1))

    small_1, small_2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = []
    for one, other in zip(first, second, strict=True):  # one at a time: float64 maps of thousands would fill the memory
        x, y = (torch.from_numpy(luma(face[None])).double().unsqueeze(1) for face in (one, other))
        mean_x, mean_y = blurred(x), blurred(y)
        var_x, var_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
        both = blurred(x * y) - mean_x * mean_y
        alike = (2 * mean_x * mean_y + small_1) * (2 * both + small_2)
        found.append(float((alike / ((mean_x**2 + mean_y**2 + small_1) * (var_x + var_y + small_2))).mean()))
    return np.array(found)


def psnr(first: Faces, second: Faces) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each pair over all channels, `[n]` in dB; 100 for equal pictures."""
    error = np.array([np.square(a.astype(np.float64) - b).mean() for a, b in zip(first, second, strict=True)])
    return np.minimum(100.0, 20 * np.log10(255.0) - 10 * np.log10(np.maximum(error, 1e-12)))


@torch.inference_mode()
def gradients(first: Faces, second: Faces) -> NDArray[np.float64]:
    """Distance of each pair's multi-scale gradients, `[n]` ≥ 0: mean absolute differences at full, half and quarter
    size, pictures in [-1, 1]. It sees edges and blur as an eye does, and nothing of flat tone."""
    pairs = zip(first, second, strict=True)
    tensors = ([torch.from_numpy(face).permute(2, 0, 1)[None] / 127.5 - 1 for face in pair] for pair in pairs)
    return np.array([float(gradient_difference(*pair)) for pair in tensors])


def slopes(found: Floats, wanted: Floats) -> NDArray[np.float64]:
    """How much of a wanted change arrives, for each column: least squares with an intercept; NaN if nothing varies."""
    x, y = wanted - wanted.mean(0), found - found.mean(0)
    below = (x * x).sum(0)
    return np.where(below > 1e-9, (x * y).sum(0) / np.where(below > 1e-9, below, 1.0), np.nan)


def frechet(first: Floats, second: Floats) -> float:
    """Fréchet distance of two sets of features `[n, F]` taken as Gaussian (Heusel et al., NeurIPS 2017).

    With fewer rows than features it is large for equal distributions too; compare it only at the same number of rows.
    """
    means = [part.mean(0, dtype=np.float64) for part in (first, second)]
    one, other = (np.cov(part.astype(np.float64), rowvar=False) for part in (first, second))
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ other @ root), 0, None)).sum()
    return float(np.square(means[0] - means[1]).sum() + np.trace(one) + np.trace(other) - 2 * cross)


def kernel_distance(first: Floats, second: Floats) -> float:
    """Unbiased squared MMD with the kernel (x·y / F + 1)³ (KID: Bińkowski et al., ICLR 2018); may be below 0."""

    def kernel(x: Floats, y: Floats) -> NDArray[np.float64]:
        return (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3

    def within(x: Floats) -> float:
        table = kernel(x, x)
        return float((table.sum() - np.trace(table)) / (len(x) * (len(x) - 1)))

    return within(first) + within(second) - 2 * float(kernel(first, second).mean())
