"""TinyViT-11M at small sizes: timm's own against ours without padded windows.

python tests/benchmarks/bench_tinyvit.py [SIZE] [BATCH]
"""

from __future__ import annotations

import copy
import sys

import timm
import torch
from side_by_side import compare
from torch import nn

from deepunlearn_cli.engine.windows import unpad


def main(size: str = "32", batch: str = "64") -> None:
    """Measure and print."""
    torch.manual_seed(0)
    theirs = timm.create_model("tiny_vit_11m_224", num_classes=10).to(memory_format=torch.channels_last)
    ours = unpad(copy.deepcopy(theirs))
    x = torch.randn(int(batch), 3, int(size), int(size)).to(memory_format=torch.channels_last)
    for backward, what in ((True, "forward and backward"), (False, "forward")):
        arms = {"timm": lambda b=backward: run(theirs, x, b), "ours": lambda b=backward: run(ours, x, b)}
        compare(f"TinyViT at {size} px, batch {batch}, {what}", arms)


def run(model: nn.Module, x: torch.Tensor, backward: bool) -> None:
    """One pass."""
    with torch.set_grad_enabled(backward):
        out = model(x)
    if backward:
        model.zero_grad()
        out.sum().backward()


if __name__ == "__main__":
    main(*sys.argv[1:])
