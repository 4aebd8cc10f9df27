"""One prediction pass per model against a bare inference loop, against what peers do, and by pictures per pass.

python tests/benchmarks/bench_evaluate.py [MODEL]...
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import scene
import torch
from side_by_side import compare

from deepunlearn_cli.engine import device
from deepunlearn_cli.engine.device import forward_size
from deepunlearn_cli.engine.pictures import Pictures
from deepunlearn_cli.engine.predict import outputs_of

BATCH = forward_size(scene.DEVICE)
SIZES = {"retain": 3000, "forget": 1000, "val": 1000, "test": 1000}
PEERS = {"retain": 1, "forget": 3, "val": 2, "test": 2}  # passes of the released benchmark (protocol 9.5)


def main(*models: str) -> None:
    """Measure and print."""
    shown = scene.pixels(sum(SIZES.values()))
    for name in models or ("resnet18", "tinyvit"):
        model = scene.model(name)
        parts = scene.task(shown, model, name, **SIZES).parts
        repeated = [parts[part] for part, times in PEERS.items() for _ in range(times)]
        batches = [shown.gather(part.indices[:BATCH]) for part in parts.values()]

        def bare(model: torch.nn.Module = model, batches: list[torch.Tensor] = batches) -> None:
            with torch.inference_mode():
                for batch, size in zip(batches, SIZES.values(), strict=True):
                    for _ in range(size // BATCH):
                        model.eval()(batch)

        arms = {
            "every pass of peers": lambda m=model, r=repeated: [outputs_of(m, {"": part}) for part in r],
            "outputs_of": lambda m=model, p=parts: outputs_of(m, p),
            "the bare loop": bare,
        }
        compare(f"{name}, {sum(SIZES.values())} pictures", arms)
        compare(f"{name}, pictures at a time", {str(n): at(n, model, parts) for n in (250, BATCH, 1000)})


def at(size: int, model: torch.nn.Module, parts: dict[str, Pictures]) -> Callable[[], None]:
    """An evaluation with so many pictures in a forward pass."""

    def run() -> None:
        device.FORWARD_CPU = device.FORWARD_CUDA = size
        outputs_of(model, parts)
        device.FORWARD_CPU = device.FORWARD_CUDA = BATCH

    return run


if __name__ == "__main__":
    main(*sys.argv[1:])
