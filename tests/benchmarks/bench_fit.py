"""`fit` against a bare forward-backward-step loop on one resident random batch, same model and batch size.

    python tests/benchmarks/bench_fit.py [MODEL] [STEPS]

Prints pictures per second of both and their ratio, measured alternately in one process (best of the rounds,
since other work on the machine only ever slows a round down).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from deepunlearn_cli.engine.device import default_precision, pick_device
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.engine.task import Task, streams
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.models import Shape, build

BATCH, ROUNDS, SIZE = 256, 5, 32


def main(model_name: str = "resnet18", steps: str = "4") -> None:
    """Measure and print."""
    device, count = pick_device(), int(steps) * BATCH
    precision = default_precision(device)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    pixels = Pixels(
        images, rng.integers(0, 10, count), device, mean=(0.5,) * 3, std=(0.25,) * 3, flip=True, pad=4
    )
    loops = {
        "fit": fit_loop(model_name, pixels, device, precision),
        "bare": bare_loop(model_name, int(steps), device, precision),
    }
    best = {name: float("inf") for name in loops}
    for _ in range(ROUNDS):
        for name, loop in loops.items():
            best[name] = min(best[name], timed(loop, device))
    rates = {name: count / seconds for name, seconds in best.items()}
    print(f"{model_name} at {SIZE} px, batch {BATCH}, {device.type} {precision}")
    print(f"fit  {rates['fit']:8.0f} pictures/s (gathering and augmenting every batch)")
    print(f"bare {rates['bare']:8.0f} pictures/s (one resident random batch)")
    print(f"ratio {rates['fit'] / rates['bare']:.3f}")


def fit_loop(name: str, pixels: Pixels, device: torch.device, precision: str) -> Callable[[], None]:
    """One epoch of the engine's own loop."""
    model = build(name, Shape(10, 3, SIZE)).to(device, memory_format=torch.channels_last).train()
    stream = streams(0)
    part = Pictures(pixels, np.arange(len(pixels.labels)), order=stream("order"), moves=stream("moves"))
    task = Task(
        {"retain": part}, device=device, stream=stream, fresh=lambda _: model, classes=10, precision=precision
    )
    hyper = METHODS.get("retrain").build({"epochs": 1, "lr": 0.01})
    return lambda: task.fit(model, part, hyper)  # type: ignore[arg-type]


def bare_loop(name: str, steps: int, device: torch.device, precision: str) -> Callable[[], None]:
    """Forward, backward, step on the same batch again and again: the arithmetic and nothing else."""
    model = build(name, Shape(10, 3, SIZE)).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)
    x = torch.randn(BATCH, 3, SIZE, SIZE, device=device).to(memory_format=torch.channels_last)
    y = torch.randint(0, 10, (BATCH,), device=device)

    def loop() -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                logits = model(x)
            F.cross_entropy(logits.float(), y).backward()
            optimizer.step()

    return loop


def timed(loop: Callable[[], None], device: torch.device) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    loop()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
