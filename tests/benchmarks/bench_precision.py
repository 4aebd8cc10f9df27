"""What pays on this device: bf16 against fp32, channels-last against contiguous, fused against foreach steps.

    python tests/benchmarks/bench_precision.py [MODEL]...

The defaults (fp32 on CPU, channels-last, fused steps) were chosen by what this prints; precision is part of a recipe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import scene
import torch
from side_by_side import compare
from torch.nn import functional as F

BATCH, STEPS = 128, 3


def main(*models: str) -> None:
    """Measure and print."""
    for name in models or ("resnet18", "resnet18-cifar", "tinyvit"):
        arms = {
            "bf16": step(name, bf16=True),
            "contiguous": step(name, layout=torch.contiguous_format),
            "foreach": step(name, fused=False),
            "fp32, channels-last, fused": step(name),
        }
        compare(f"{name}, batch {BATCH}", arms)


def step(
    name: str, *, bf16: bool = False, layout: torch.memory_format = torch.channels_last, fused: bool = True
) -> Callable[[], None]:
    """A few training steps on one resident batch."""
    model = scene.model(name).to(memory_format=layout)
    kind = {"fused": True} if fused else {"foreach": True}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, **kind)
    x = torch.randn(BATCH, 3, scene.SIZE, scene.SIZE, device=scene.DEVICE).to(memory_format=layout)
    y = torch.randint(0, scene.CLASSES, (BATCH,), device=scene.DEVICE)

    def run() -> None:
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(scene.DEVICE.type, torch.bfloat16, enabled=bf16):
                logits = model(x)
            F.cross_entropy(logits.float(), y).backward()
            optimizer.step()

    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
