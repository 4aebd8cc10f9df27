"""TinyViT-11M at small sizes: timm's own against ours without padded windows.

python tests/benchmarks/bench_tinyvit.py [SIZE] [BATCH]
"""

from __future__ import annotations

import copy
import statistics
import sys
import time

import timm
import torch
from torch import nn

from deepunlearn_cli.engine.windows import unpad

REPEATS = 5


def seconds(model: nn.Module, x: torch.Tensor, backward: bool) -> float:
    """Of one pass."""
    start = time.perf_counter()
    with torch.set_grad_enabled(backward):
        out = model(x)
    if backward:
        model.zero_grad()
        out.sum().backward()
    return time.perf_counter() - start


def main(size: int = 32, batch: int = 64) -> None:
    """Print median, least and greatest ratio over interleaved repetitions."""
    torch.manual_seed(0)
    theirs = timm.create_model("tiny_vit_11m_224", num_classes=10).to(memory_format=torch.channels_last)
    ours, x = unpad(copy.deepcopy(theirs)), torch.randn(batch, 3, size, size)
    x = x.to(memory_format=torch.channels_last)
    for backward, name in ((True, "forward and backward"), (False, "forward")):
        pairs = [(seconds(theirs, x, backward), seconds(ours, x, backward)) for _ in range(REPEATS + 1)][1:]
        ratios = [slow / fast for slow, fast in pairs]
        low, high, mid = min(ratios), max(ratios), statistics.median(ratios)
        fast = batch / statistics.median(fast for _, fast in pairs)
        print(
            f"{size} px, batch {batch}, {name}: {mid:.1f} ({low:.1f} .. {high:.1f}) times, {fast:.0f} pictures/s"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
