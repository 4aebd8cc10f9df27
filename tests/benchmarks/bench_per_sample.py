"""FF's Fisher information and IU's inner products against one backward pass per sample in a loop.

python tests/benchmarks/bench_per_sample.py [MODEL] [SAMPLES]
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterable

import scene
import torch
from side_by_side import compare
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.per_sample import inner_products
from deepunlearn_cli.engine.pictures import Batch
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS

Work = Callable[[], list[Tensor]]
Singles = list[tuple[Tensor, Tensor]]
CHECKED = 16  # samples whose results are compared with double precision


def main(name: str = "resnet18", samples: str = "128") -> None:
    """Measure, print, and say how far the results are from double precision."""
    model, task, along = setting(name, int(samples))
    ours, loops = both(model, task, along), looped(model, task, along)
    for method in ours:
        compare(f"{method}, {name}, {samples} samples", {"a loop": loops[method], "ours": ours[method]})
    model, task, along = setting(name, CHECKED)
    exact = looped(copy.deepcopy(model).double(), task, along)
    for method, found in both(model, task, along).items():
        apart = max(
            float((a - b).abs().max() / b.abs().max()) for a, b in zip(found(), exact[method](), strict=True)
        )
        print(f"{method}: {apart:.1e} of the largest number of a tensor from double precision at most")


def setting(name: str, count: int) -> tuple[nn.Module, Task, list[Tensor]]:
    """A model, a task with `count` retained pictures, and a direction."""
    model = scene.model(name)
    task = scene.task(scene.pixels(count), model, name, retain=count)
    return model, task, [torch.randn_like(weight) for weight in model.parameters()]


def both(model: nn.Module, task: Task, along: list[Tensor]) -> dict[str, Work]:
    """What the methods do."""
    toward = dict(zip(model.parameters(), along, strict=True))
    return {
        "FF": lambda: list(METHODS.get("ff")().information(model, task).values()),
        "IU": lambda: list(inner_products(model, task.retain, toward, task)),
    }


def looped(model: nn.Module, task: Task, along: list[Tensor]) -> dict[str, Work]:
    """The same by a backward pass for every sample, in the model's precision."""

    def pictures() -> Singles:
        return singles(task.retain.batches(1, shuffle=False, augment=False), model)

    return {
        "FF": lambda: looped_information(model, pictures()),
        "IU": lambda: looped_products(model, pictures(), along),
    }


def looped_information(model: nn.Module, pictures: Singles) -> list[Tensor]:
    """sum_y p_y g_y^2, a backward pass for every sample and class."""
    total = [torch.zeros_like(weight) for weight in model.parameters()]
    with as_in_use(model):
        for x, _ in pictures:
            logits = model(x)
            chances = logits.detach().softmax(1)[0]
            for y in range(scene.CLASSES):
                loss = F.cross_entropy(logits, torch.tensor([y], device=logits.device))
                gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
                for sum_, gradient in zip(total, gradients, strict=True):
                    sum_.addcmul_(gradient, gradient, value=float(chances[y]))
    return [sum_ / len(pictures) for sum_ in total]


def looped_products(model: nn.Module, pictures: Singles, along: list[Tensor]) -> list[Tensor]:
    """Gradients of every sample, kept whole; their products and slopes."""
    with as_in_use(model):
        rows = []
        for x, y in pictures:
            gradients = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
            rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    table = torch.stack(rows)
    direction = torch.cat([value.flatten() for value in along]).to(table.dtype)
    return [(table @ table.T).double(), (table @ direction).double()]


def singles(batches: Iterable[Batch], model: nn.Module) -> Singles:
    """Every picture as a batch of its own (a pass never gives a single remainder), as precise as the model."""
    like = next(model.parameters())
    return [
        (batch.x[i : i + 1].to(like.dtype), batch.y[i : i + 1])
        for batch in batches
        for i in range(len(batch.y))
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
