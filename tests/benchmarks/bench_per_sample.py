"""FF's Fisher information and IU's inner products against one backward pass per sample in a loop.

python tests/benchmarks/bench_per_sample.py [MODEL] [SAMPLES]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import scene
import torch
from side_by_side import compare
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.per_sample import inner_products
from deepunlearn_cli.methods import METHODS


def main(name: str = "resnet18", samples: str = "128") -> None:
    """Measure, print, and say how far the results are apart."""
    model, count = scene.model(name), int(samples)
    shown = scene.pixels(count)
    task = scene.task(shown, model, name, retain=count)
    along = {weight: torch.randn_like(weight) for weight in model.parameters()}
    held: dict[str, list[Tensor]] = {}

    def keep(key: str, work: Callable[[], list[Tensor]]) -> Callable[[], None]:
        return lambda: held.update({key: work()})

    compare(
        f"FF, {name}, {count} samples, {scene.CLASSES} classes",
        {
            "a loop": keep(
                "ff loop",
                lambda: looped_information(model, task.retain.batches(1, shuffle=False, augment=False)),
            ),
            "ours": keep("ff", lambda: list(METHODS.get("ff")().information(model, task).values())),
        },
    )
    compare(
        f"IU, {name}, {count} samples",
        {
            "a loop": keep(
                "iu loop",
                lambda: looped_products(model, task.retain.batches(1, shuffle=False, augment=False), along),
            ),
            "ours": keep("iu", lambda: list(inner_products(model, task.retain, along, task))),
        },
    )
    for key in ("ff", "iu"):
        apart = max(
            float((a - b).abs().max() / b.abs().max())
            for a, b in zip(held[key], held[f"{key} loop"], strict=True)
        )
        print(f"{key}: results differ by {apart:.1e} of the largest number of a tensor at most")


def looped_information(model: nn.Module, batches: object) -> list[Tensor]:
    """sum_y p_y g_y^2, a backward pass for every sample and class."""
    total = [torch.zeros_like(weight) for weight in model.parameters()]
    count = 0
    with as_in_use(model):
        for batch in singles(batches):
            logits = model(batch[0])
            chances = logits.detach().softmax(1)[0]
            for y in range(scene.CLASSES):
                loss = F.cross_entropy(logits, torch.tensor([y], device=logits.device))
                gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
                for sum_, gradient in zip(total, gradients, strict=True):
                    sum_.addcmul_(gradient, gradient, value=float(chances[y]))
            count += 1
    return [sum_ / count for sum_ in total]


def looped_products(model: nn.Module, batches: object, along: dict[Tensor, Tensor]) -> list[Tensor]:
    """Gradients of every sample, kept whole; their products and slopes."""
    with as_in_use(model):
        rows = []
        for x, y in singles(batches):
            gradients = torch.autograd.grad(F.cross_entropy(model(x), y), list(along))
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    table = torch.stack(rows)
    direction = torch.cat([value.flatten() for value in along.values()])
    return [(table @ table.T).double(), (table @ direction).double()]


def singles(batches: object) -> list[tuple[Tensor, Tensor]]:
    """Every picture as a batch of its own (a pass never gives a single remainder, so batches are cut)."""
    return [
        (batch.x[i : i + 1], batch.y[i : i + 1])
        for batch in batches  # type: ignore[attr-defined]
        for i in range(len(batch.y))
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
