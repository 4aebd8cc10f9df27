"""`fit` against a bare forward-backward-step loop on one resident random batch, same model and batch size.

python tests/benchmarks/bench_fit.py [PICTURES] [MODEL]...
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import scene
import torch
from side_by_side import compare
from torch.nn import functional as F

from deepunlearn_cli.methods import METHODS

MODELS = ("resnet18", "resnet18-cifar", "tinyvit")


def main(pictures: str = "1024", *models: str) -> None:
    """Measure and print."""
    count = int(pictures)
    shown = scene.pixels(count)
    for name in models or MODELS:
        for batch in (64, 256):
            model = scene.model(name)
            task = scene.task(shown, model, name, retain=count)
            hyper = METHODS.get("retrain").build({"epochs": 1, "lr": 0.01, "batch_size": batch})
            arms = {
                "fit": lambda t=task, m=model, h=hyper: t.fit(m, t.retain, h),
                "the bare loop": bare(name, batch, count // batch),
            }
            compare(f"{name}, batch {batch}, {count} pictures", arms)


def bare(name: str, batch: int, steps: int) -> Callable[[], None]:
    """Forward, backward, step on the same batch again and again: the arithmetic and nothing else.

    Like `fit` it starts with a new optimizer, whose first step makes its buffers.
    """
    model = scene.model(name)
    x = torch.randn(batch, 3, scene.SIZE, scene.SIZE, device=scene.DEVICE)
    x = x.to(memory_format=torch.channels_last)
    y = torch.randint(0, scene.CLASSES, (batch,), device=scene.DEVICE)

    def loop() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    return loop


if __name__ == "__main__":
    main(*sys.argv[1:])
