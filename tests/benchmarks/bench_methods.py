"""Each method's overhead over its arithmetic, and its peak memory.

    python tests/benchmarks/bench_methods.py [MODEL] [METHOD]...

The arithmetic is a bare loop that runs as many forward and backward passes as the method counted, a step with
each backward one. Peak memory is that of a process of its own over weights + optimiser + activations of a batch +
data; what Python and torch hold after a step on two pictures does not count.
"""

from __future__ import annotations

import functools
import subprocess
import sys

import scene
import torch
from side_by_side import timed
from torch import nn
from torch.nn import functional as F

from deepunlearn_cli import unlearn
from deepunlearn_cli.engine.cost import Cost
from deepunlearn_cli.methods import METHODS, Method, for_any_original

SIZES = {"retain": 1536, "forget": 256, "val": 256}
REPEATS = 5
OWN = {"ssd": {"alpha": 0.1}}  # nothing matters ten times more to random pictures that are forgotten


def main(name: str = "resnet18", *methods: str) -> None:
    """One line per method."""
    for method in methods or for_any_original():
        if METHODS.get(method).changes_weights:
            command = [sys.executable, __file__, "--one", name, method]
            print(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="", flush=True
            )


def one(name: str, method: str) -> None:
    """Measure one method in this process."""
    import statistics

    cls = METHODS.get(method)
    epochs = {field: 2 for field in cls.domains() if field.endswith("epochs")}
    actor = cls.build({**epochs, **OWN.get(method, {})})
    model = scene.model(name)
    size = int(getattr(actor, "batch_size", 256))
    bare(model, 2, Cost(forward=2, backward=2))
    before = resident() - of_weights(model)
    shown = scene.pixels(sum(SIZES.values()))
    peak, ratios = 0, []
    for _ in range(REPEATS):
        task = scene.task(shown, model, name, **SIZES)
        unlearn(model, actor, task)
        peak = peak or resident() - before
        ratios.append(task.cost.seconds / timed(functools.partial(bare, model, size, task.cost)))
    fair = of_weights(model) + footprint(model, largest(actor)) + shown.images.nbytes
    spread = f"{min(ratios):.2f} .. {max(ratios):.2f}"
    memory = f"peak memory {peak / fair:.2f} times {fair / 1e6:.0f} MB"
    print(f"{method:9} {name}: {statistics.median(ratios):.2f} ({spread}) times its arithmetic; {memory}")


def bare(model: nn.Module, size: int, cost: Cost) -> None:
    """As many passes as `cost` counts, over one resident batch."""
    x = torch.randn(size, 3, scene.SIZE, scene.SIZE, device=scene.DEVICE)
    x, y = x.to(memory_format=torch.channels_last), torch.zeros(size, dtype=torch.long, device=scene.DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9, fused=True)
    for _ in range(cost.backward // size):
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model.train()(x), y).backward()
        optimizer.step()
    with torch.no_grad():
        for _ in range(max(0, cost.forward - cost.backward) // size):
            model(x)


def largest(actor: Method) -> int:
    """Pictures in the largest batch that a method trains on here."""
    sizes = [int(getattr(actor, field)) for field in actor.domains() if field.endswith("batch_size")]
    return min(max(sizes, default=256), SIZES["forget"])


def footprint(model: nn.Module, size: int) -> int:
    """Bytes that a forward pass keeps for the backward one."""
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.nbytes), t)[1], lambda t: t):
        model.train()(torch.randn(size, 3, scene.SIZE, scene.SIZE, device=scene.DEVICE))
    return sum(kept)


def of_weights(model: nn.Module) -> int:
    """Bytes of weights, gradients and momentum."""
    return 3 * sum(weight.nbytes for weight in model.parameters())


def resident() -> int:
    """Peak resident bytes of this process so far (Linux: kilobytes are counted)."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
