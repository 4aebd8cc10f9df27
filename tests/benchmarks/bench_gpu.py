"""All figures of the guide's page on GPUs, on one card, in under five minutes: one table, also as JSON lines.

    python tests/benchmarks/bench_gpu.py [FILE.jsonl]

Random pictures of CIFAR-10's shape, ResNet18 and TinyViT in bf16, augmented. Rates are pictures a second. What has a
counterpart is measured beside it, in turns: `fit` and a bare CUDA graph of the same step on one batch that stays;
a method, and what its counted passes take in bare graphs of its batch size and in bare forward passes.
"""

from __future__ import annotations

import gc
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import scene
import timm
import torch
from torch import nn
from torch.nn import functional as F

from deepunlearn_cli import unlearn
from deepunlearn_cli.engine.device import repeatable
from deepunlearn_cli.engine.optimizers import SGD
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS, Method, for_any_original

SIZES = {"retain": 38_250, "forget": 4_250, "val": 7_500}  # the paper's split of CIFAR-10
TRAINING, EPOCHS = 42_500, 182  # of its originals
JOBS, WINDOW = 8, 8.0  # processes at once; seconds for which each trains
TURNS = 3
SHORT = 2  # epochs of methods
MORE = 80_000  # pictures that a longer run of one steps on beside
OWN = {"ssd": {"alpha": 0.1}}  # nothing matters ten times more to random pictures that are forgotten

Row = dict[str, object]


def main(out: str = "") -> None:
    """Measure all, print a line as each is there and the table at the end."""
    rows: list[Row] = []

    def note(what: str, value: float, unit: str, **beside: object) -> None:
        rows.append({"what": what, "value": value, "unit": unit, **beside, "device": CARD})
        print(json.dumps(rows[-1]), flush=True)

    shown = scene.pixels(sum(SIZES.values()))
    for name, sizes in (("resnet18", (64, 256)), ("tinyvit", (64, 256))):
        for size in sizes:
            training(name, size, shown, note)
    eager(shown, note)
    whole(shown, note)
    together(note)
    methods(shown, note)
    print(f"\n{CARD}, torch {torch.__version__}")
    for row in rows:
        rest = ", ".join(
            f"{k} {v:,.3g}" if isinstance(v, float) else f"{k} {v}"
            for k, v in row.items()
            if k not in ("what", "value", "unit", "device")
        )
        print(f"{row['what']:44} {row['value']:>12,.6g} {row['unit']:12} {rest}")
    if out:
        Path(out).write_text("".join(json.dumps(row) + "\n" for row in rows))


def made(shown: scene.Pixels, name: str, **sizes: int) -> tuple[nn.Module, Task]:
    """A model and a task in bf16."""
    model = scene.model(name)
    task = scene.task(shown, model, name, **sizes)
    task.precision = "bf16"
    return model, task


def training(name: str, size: int, shown: scene.Pixels, note: Callable[..., None]) -> None:
    """`fit` beside a bare graph, in turns; and what either keeps of the card's memory."""
    count = 100 * size
    held = fresh_peak()
    model, task = made(shown, name, retain=count)
    hyper = METHODS.get("retrain").build({"epochs": 1, "lr": 0.01, "batch_size": size})
    optimizer = task.sgd(model, hyper)
    with repeatable(0, scene.DEVICE):
        task.fit(model, task.retain, hyper, optimizer=optimizer)
        memory = torch.cuda.max_memory_allocated() - held
        bare = bare_graph(name, size)
        ours, theirs = [], []
        for _ in range(TURNS):
            ours.append(count / seconds(lambda: task.fit(model, task.retain, hyper, optimizer=optimizer)))
            theirs.append(size * 100 / seconds(lambda: [bare() for _ in range(100)]))
    shares = [a / b for a, b in zip(ours, theirs, strict=True)]
    note(f"{name}, batch {size}: fit", median(ours), "pictures/s", of_bare=median(shares), bare=median(theirs),
         peak_MB=memory / 1e6)  # fmt: skip


def eager(shown: scene.Pixels, note: Callable[..., None]) -> None:
    """The same steps one by one, and their memory; and timm's own TinyViT."""
    for name in ("resnet18", "tinyvit"):
        rate, memory = one_by_one(shown, name)
        note(f"{name}, batch 256: steps one by one", rate, "pictures/s", peak_MB=memory / 1e6)
    model, (x, y) = timm.create_model("tiny_vit_11m_224", num_classes=10, drop_path_rate=0.1), batch_of(256)
    model = model.to(scene.DEVICE, memory_format=torch.channels_last).train()

    def step() -> None:
        model.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            logits = model(x)
        F.cross_entropy(logits.float(), y).backward()

    step()
    rate = 2560 / seconds(lambda: [step() for _ in range(10)])
    note("timm's own TinyViT, batch 256: steps one by one", rate, "pictures/s")


def one_by_one(shown: scene.Pixels, name: str) -> tuple[float, int]:
    """Pictures a second without graphs, and the peak of the card's memory in bytes."""
    held = fresh_peak()
    model, task = made(shown, name, retain=20 * 256)
    task.graphs = None
    hyper = METHODS.get("retrain").build({"epochs": 1, "lr": 0.01})
    with repeatable(0, scene.DEVICE):
        task.fit(model, task.retain, hyper)
        took = seconds(lambda: task.fit(model, task.retain, hyper))
    return 20 * 256 / took, torch.cuda.max_memory_allocated() - held


def fresh_peak() -> int:
    """Bytes of the card that are taken; the peak is measured from here on."""
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def whole(shown: scene.Pixels, note: Callable[..., None]) -> None:
    """An original of the paper's length, from the first picture to the last."""
    model, task = made(shown, "resnet18", retain=TRAINING)
    hyper = METHODS.get("retrain").build({"epochs": EPOCHS, "lr": 0.01})
    with repeatable(0, scene.DEVICE):
        took = seconds(lambda: task.fit(model, task.retain, hyper))
    note(f"resnet18: {EPOCHS} epochs on {TRAINING:,} pictures", took, "s", rate=EPOCHS * TRAINING / took)


def together(note: Callable[..., None]) -> None:
    """One process alone, and several at once, without and with CUDA MPS: pictures a second of all."""
    alone = rates_of(1, {})
    note("resnet18, batch 256: 1 process", alone[0], "pictures/s")
    for title, settings in (("", {}), (" under MPS", mps())):
        if settings is not None:
            rates = rates_of(JOBS, settings)
            note(f"resnet18, batch 256: {JOBS} processes{title}", sum(rates), "pictures/s", least=min(rates),
                 most=max(rates), of_one=sum(rates) / alone[0])  # fmt: skip
    if settings is not None:
        subprocess.run(["nvidia-cuda-mps-control"], input="quit\n", text=True, env=os.environ | settings)


def mps() -> dict[str, str] | None:
    """Where a CUDA MPS daemon that was started for this can be reached; None where there is none."""
    if not shutil.which("nvidia-cuda-mps-control"):
        return None
    place = tempfile.mkdtemp()
    settings = {"CUDA_MPS_PIPE_DIRECTORY": place, "CUDA_MPS_LOG_DIRECTORY": place}
    started = subprocess.run(["nvidia-cuda-mps-control", "-d"], env=os.environ | settings)
    return None if started.returncode else settings


def rates_of(jobs: int, settings: dict[str, str]) -> list[float]:
    """Pictures a second of each of several processes that train at once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--job", folder, str(jobs)]
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings)
            for _ in range(jobs)
        ]
        return [float((one.communicate()[0].split() or ["nan"])[-1]) for one in running]


def job(folder: str, jobs: str) -> None:
    """One of several: warms up, waits for the others, and trains for a while."""
    shown = scene.pixels(TRAINING)
    model, task = made(shown, "resnet18", retain=TRAINING)
    hyper = METHODS.get("retrain").build({"epochs": 1, "lr": 0.01})
    optimizer = task.sgd(model, hyper)
    with repeatable(0, scene.DEVICE):
        task.fit(model, task.retain, hyper, optimizer=optimizer)
        torch.cuda.synchronize()
        Path(tempfile.mkstemp(dir=folder)[1])
        while len(list(Path(folder).iterdir())) < int(jobs):
            time.sleep(0.01)
        start, passes = time.perf_counter(), 0
        while time.perf_counter() - start < WINDOW:
            task.fit(model, task.retain, hyper, optimizer=optimizer)
            torch.cuda.synchronize()
            passes += 1
        print(passes * TRAINING / (time.perf_counter() - start))


def methods(shown: scene.Pixels, note: Callable[..., None]) -> None:
    """Every method: seconds of two epochs; and, of the epochs that more of them take, the share of bare speed.

    The difference of two lengths is what training takes; models made anew, recordings and looks cancel.
    """
    bare = {size: timed_step(size) for size in (64, 128, 256)}
    looking = timed_look()
    for name in for_any_original():
        cls = METHODS.get(name)
        if not cls.changes_weights:
            continue
        lengths = [field for field in cls.domains() if field.endswith("epochs")]
        held = fresh_peak()
        actor, task = carried_out(name, SHORT, shown)
        costs, size = [task.cost], int(getattr(actor, "batch_size", 256))
        if lengths:
            longer = SHORT + math.ceil(MORE * SHORT / task.cost.backward)
            costs.append(carried_out(name, longer, shown)[1].cost)
        floors = [
            cost.backward * bare[size] + max(0, cost.forward - cost.backward) * looking for cost in costs
        ]
        more = costs[-1].seconds - costs[0].seconds
        share = {"of_bare": (floors[-1] - floors[0]) / more} if lengths else {}
        note(f"resnet18: {name}", costs[0].seconds, "s", **share, batch=size,
             peak_MB=((costs[0].device_memory or 0) - held) / 1e6, warnings=task.warnings)  # fmt: skip


def carried_out(name: str, epochs: int, shown: scene.Pixels) -> tuple[Method, Task]:
    """A method of so many epochs, and the task that it was given."""
    cls = METHODS.get(name)
    lengths = {field: epochs for field in cls.domains() if field.endswith("epochs")}
    actor = cls.build(lengths | OWN.get(name, {}))
    model, task = made(shown, "resnet18", **SIZES)
    unlearn(model, actor, task)
    return actor, task


def timed_look() -> float:
    """Seconds of a picture in forward passes alone."""
    x, _ = batch_of(1000)
    model = scene.model("resnet18").eval()

    def forward() -> None:
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            model(x)

    forward()
    return seconds(lambda: [forward() for _ in range(50)]) / 50_000


def timed_step(size: int) -> float:
    """Seconds of a picture in a bare graph of a batch size."""
    bare = bare_graph("resnet18", size)
    bare()
    return seconds(lambda: [bare() for _ in range(200)]) / (200 * size)


def batch_of(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random input, and labels."""
    x = torch.randn(size, 3, scene.SIZE, scene.SIZE, device=scene.DEVICE).to(
        memory_format=torch.channels_last
    )
    return x, torch.randint(0, scene.CLASSES, (size,), device=scene.DEVICE)


def bare_graph(name: str, size: int) -> Callable[[], object]:
    """Forward, loss, backward and step on one batch that stays, as one CUDA graph and nothing else."""
    model, (x, y) = scene.model(name), batch_of(size)
    optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            logits = model(x)
        F.cross_entropy(logits.float(), y).backward()
        optimizer.step()

    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=beside):
        step()
    held = model, optimizer, x, y  # a graph does not hold what it reads
    return lambda: (graph.replay(), held)


def seconds(work: Callable[[], object]) -> float:
    """Seconds of one call, the card's work included."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    if not torch.cuda.is_available():
        sys.exit("bench_gpu.py measures a CUDA card, and there is none here")
    CARD = torch.cuda.get_device_name()
    if sys.argv[1:2] == ["--job"]:
        job(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
