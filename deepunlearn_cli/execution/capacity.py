"""How many runs a machine carries at a time: `--jobs auto`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.system import machine

if TYPE_CHECKING:
    import torch
    from torch import nn

    from deepunlearn_cli.execution.runner import Runner

MOST = 8  # on a card: more were not measured
CONTEXT = 600 * 10**6  # bytes of a card that a process takes for CUDA itself, beside its tensors
USABLE = 0.9  # share of a card's free memory
STATE = 5  # weights, gradients, momentum, a teacher, and a copy
RECORDED = 1.5  # times the memory of steps one by one, at most, that recorded ones take
PROBE = 2  # pictures whose activations are measured
BATCH = 256  # pictures in a step of runs that do not say how many


def fitting(recipes: Sequence[Recipe], runner: Runner) -> int:
    """Processes that may work on these runs at a time.

    On a CPU one for each core: how many depends on the machine alone, as the last bits of results do. On a
    CUDA device as many as its free memory has room for, by what such runs took (in this store) or, where none
    is known, by weights, activations and pictures.
    """
    from deepunlearn_cli.engine.device import pick_device

    device = pick_device(runner.device)
    if device.type != "cuda":
        return machine.cores()
    kinds = {(r.labels.get("dataset", ""), r.model): r for r in recipes if r.kind != "attack"}
    room, known = USABLE * _free(device), peaks(runner.store.rows(status="done"), "peak_device_memory")
    need = max((known.get(kind) or estimate(r, runner) for kind, r in kinds.items()), default=0)
    return max(1, min(MOST, machine.cores(), int(room // (need + CONTEXT))))


def estimate(recipe: Recipe, runner: Runner) -> int:
    """Bytes of a card that a run may take: its model's state, a batch's activations, all pictures."""
    import torch

    from deepunlearn_cli.execution.materials import Materials

    there = Materials(runner.store.data, torch.device("cpu"))
    model, dataset = there.fresh(recipe, "init"), there.dataset(recipe)
    batch = int(recipe.params.get("batch_size", BATCH))
    height, width, channels = dataset.image_shape
    activations = batch * footprint(model, (channels, height, width))
    weights = sum(weight.nbytes for weight in model.parameters())
    return int(STATE * weights + RECORDED * activations + dataset.images.nbytes)


def footprint(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """Bytes that a forward pass keeps for the backward one, for each picture (C, H, W)."""
    import torch

    kept: dict[int, int] = {}
    own = {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def note(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        logits = model.train()(torch.zeros(PROBE, *shape))
    del logits
    return sum(size for place, size in kept.items() if place not in own) // PROBE


def _free(device: torch.device) -> int:
    import torch

    return torch.cuda.mem_get_info(device)[0]


def peaks(rows: Iterable[Any], fact: str) -> dict[tuple[str, str], int]:
    """The largest figure of a fact, by dataset and model, where any row has it."""
    largest: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.get(fact):
            pair = (row["dataset"], row["model"])
            largest[pair] = max(largest.get(pair, 0), row[fact])
    return largest
