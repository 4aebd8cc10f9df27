"""What an estimate of the Hessian's top eigenvalue costs: python tests/benchmarks/bench_sharpness.py [MODEL] [PRODUCTS]"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from torch.nn import functional as F

from deepunlearn_cli.engine import hessian
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.models import Shape, build


def main(name: str = "resnet18", products: int = hessian.PRODUCTS) -> None:
    """Exactly `products` products on random pictures of 32 pixels."""
    hessian.PRODUCTS, hessian.CLOSE = products, 0.0
    torch.manual_seed(0)
    model = build(name, Shape(10, 3, 32)).to(memory_format=torch.channels_last)
    images = np.random.default_rng(0).integers(0, 255, (hessian.PICTURES, 32, 32, 3)).astype(np.uint8)
    pixels = Pixels(
        images, np.arange(hessian.PICTURES) % 10, torch.device("cpu"), mean=(0.5,) * 3, std=(0.25,) * 3
    )
    idle = torch.Generator()
    part = Pictures(pixels, np.arange(hessian.PICTURES), order=idle, moves=idle)
    sharpness = hessian.Sharpness(part, F.cross_entropy, torch.Generator().manual_seed(0))
    start, used = time.perf_counter(), time.process_time()
    value = sharpness.eigenvalue(model)
    wall, cpu = time.perf_counter() - start, time.process_time() - used
    threads = torch.get_num_threads()
    print(f"{name}: {value:.4g} by {sharpness.products} products on {hessian.PICTURES} pictures, {threads} threads: "
          f"{wall:.1f} s, {cpu:.1f} CPU s")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
