"""Units of rounding, and numbers moved by one: what another device, thread count or torch does to a sum."""

from __future__ import annotations

import torch
from torch import Tensor

FP32, TF32, BF16 = (
    2.0**-23,
    2.0**-11,
    2.0**-8,
)  # one unit in the last place of 1.0; TF32 keeps 10 bits, bf16 7

STRIDE = 2**32 + 15  # between the streams of two draws


def unit(precision: str, *, on_cuda: bool) -> float:
    """One unit of what steps are computed in: convolutions of fp32 take TF32 on CUDA (torch's default)."""
    if precision == "bf16":
        return BF16
    return TF32 if on_cuda else FP32


def moved(value: Tensor, share: float, draw: int) -> Tensor:
    """Numbers, each moved up or down by a share of itself, as number `draw` of a row has it."""
    if not value.is_floating_point():
        return value
    stream = torch.Generator().manual_seed(value.numel() + draw * STRIDE)
    signs = torch.randint(0, 2, value.shape, generator=stream).mul(2).sub(1).to(value)
    return value * (1 + share * signs)
