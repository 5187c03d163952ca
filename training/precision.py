"""In which numbers a network computes while it learns."""

from __future__ import annotations

import torch


def has_bf16(device: torch.device) -> bool:
    """Whether the device itself multiplies bf16. Elsewhere PyTorch emulates it: a step of ResNet-18 then took 2.1 times
    as long as in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # get_capabilities, which is public, came after the oldest torch of our range
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def autocast(device: torch.device, wanted: bool) -> torch.autocast:
    """bf16 where it is `wanted` and the device has it, else float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted and has_bf16(device))
