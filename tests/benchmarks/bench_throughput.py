"""Training throughput against what peers do: eager fp32 behind a DataLoader, and eager fp32 on resident pictures.

    python tests/benchmarks/bench_throughput.py [MODEL] [PICTURES] [BATCH]

Ours is `fit` with the device's defaults: on CUDA bf16 and recorded steps, on a CPU fp32. Also the
hours that the paper's 182 epochs on 42,500 CIFAR-10 pictures would take, and on CUDA the peak memory of each arm.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import scene
import torch
from PIL import Image
from side_by_side import compare, timed
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from deepunlearn_cli.engine.pictures import Pixels
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.system import machine

EPOCHS, TRAINING = 182, 42_500  # of the paper's CIFAR-10 originals
ON_CUDA = scene.DEVICE.type == "cuda"


class OneByOne(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Pictures decoded, augmented and normalised one at a time, as peers do."""

    def __init__(self, of: Pixels) -> None:
        self.images, self.labels = of.images.cpu().numpy(), of.labels.cpu()
        steps = [transforms.RandomCrop(scene.SIZE, 4), transforms.RandomHorizontalFlip()]
        self.steps = transforms.Compose(
            [*steps, transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.25,) * 3)]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.steps(Image.fromarray(self.images[index])), self.labels[index]


def main(name: str = "resnet18", pictures: str = "2048", batch: str = "256") -> None:
    """Measure and print."""
    count, size = int(pictures), int(batch)
    shown = scene.pixels(count)
    arms = {
        "eager fp32 behind a DataLoader": loader_arm(name, shown, size),
        "eager fp32, resident pictures": resident_arm(name, shown, size, plain=True),
        "ours": resident_arm(name, shown, size, plain=False),
    }
    compare(f"{name}, batch {size}, {count} pictures", arms)
    seconds = timed(arms["ours"])
    print(f"ours: {count / seconds:,.0f} pictures/s; {EPOCHS} epochs of CIFAR-10: "
          f"{EPOCHS * TRAINING * seconds / count / 60:,.1f} minutes")  # fmt: skip
    for arm, run in arms.items() if ON_CUDA else ():
        torch.cuda.reset_peak_memory_stats()
        run()
        print(f"{arm}: peak memory {torch.cuda.max_memory_allocated() / 1e6:,.0f} MB")


def loader_arm(name: str, shown: Pixels, size: int) -> Callable[[], None]:
    """An epoch of plain steps on what a DataLoader brings."""
    model = scene.model(name).to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    workers = min(8, machine.cores()) if ON_CUDA else 0  # on a CPU they would take the model's cores
    batches = DataLoader(
        OneByOne(shown), size, shuffle=True, num_workers=workers, pin_memory=ON_CUDA, drop_last=True
    )

    def epoch() -> None:
        for x, y in batches:
            x, y = x.to(scene.DEVICE, non_blocking=True), y.to(scene.DEVICE, non_blocking=True)
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    return epoch


def resident_arm(name: str, shown: Pixels, size: int, *, plain: bool) -> Callable[[], None]:
    """An epoch of `fit`'s steps on pictures that lie on the device: eager in fp32, or as fast as we can."""
    model = scene.model(name)
    task = scene.task(shown, model, name, retain=len(shown.labels) // size * size)
    task.precision = "bf16" if ON_CUDA and not plain else "fp32"
    if plain:
        task.graphs = None
    hyper = METHODS.get("retrain").build({"lr": 0.01})
    optimizer = task.sgd(model, hyper)

    def epoch() -> None:
        task.descend(optimizer, model, task.retain, size, F.cross_entropy)

    return epoch


if __name__ == "__main__":
    main(*sys.argv[1:])
