"""The library: what the command line is a client of.

May import: `core`, `engine`, `methods`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.methods import METHODS, Method

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepunlearn_cli.engine.task import Task

    Labelled = tuple[Tensor, Tensor]  # pictures (N, C, H, W) as the model takes them, labels (N,)


def unlearn(model: nn.Module, method: str | Method, task: Task, *, seed: int = 0) -> nn.Module:
    """The model without what `task.forget` taught it; `model` itself stays as it is.

    Args:
        model: any torch classifier, on the task's device.
        method: a public name (with its defaults), or an instance with hyperparameters of yours.
        task: the data and what to work with; its `cost`, `log` and `facts` tell afterwards what was done.
        seed: of layers that draw at random (dropout, stochastic depth).

    Raises:
        RunFailed: the result is not finite, or no weight has changed.
        UsageFailure: the method cannot act on this architecture.
    """
    from deepunlearn_cli.engine.device import repeatable
    from deepunlearn_cli.engine.predict import changed, check_finite

    actor = METHODS.get(method)() if isinstance(method, str) else method
    own = copy.deepcopy(model).train()
    with repeatable(seed, task.device), task.cost.clock(task.device):
        unlearned = actor.unlearn(own, task)
    if task.graphs:
        task.graphs.clear()
    check_finite(unlearned)
    if actor.changes_weights and not actor.from_scratch and not changed(model.state_dict(), unlearned):
        raise RunFailed("the method did not change any weight", "raise -p lr=... or -p epochs=...")
    return unlearned


def make_task(
    model: nn.Module,
    *,
    retain: Labelled,
    forget: Labelled,
    val: Labelled | None = None,
    seed: int = 0,
    precision: str = "fp32",
    fresh: Callable[[], nn.Module] | None = None,
) -> Task:
    """A task over your own tensors, for `unlearn`.

    Args:
        model: the classifier it is for; the task works on its device.
        retain, forget: training pictures (N, C, H, W), float, as the model takes them, and labels (N,).
        val: pictures that the model never saw in training, which some methods need.
        seed: of every random stream; same seed, same bits.
        precision: `fp32`, or `bf16` for automatic mixed precision.
        fresh: builds a new, untrained model; by default each layer of a copy is reset.

    Raises:
        UsageFailure: pictures and labels differ in number, or a part is empty.
    """
    import torch

    from deepunlearn_cli.core.recipe import stream_seed
    from deepunlearn_cli.engine.device import streams
    from deepunlearn_cli.engine.pictures import Pictures, Pixels
    from deepunlearn_cli.engine.task import Task

    device, stream = next(model.parameters()).device, streams(seed)
    given = {"retain": retain, "forget": forget} | ({"val": val} if val else {})
    pictures = torch.cat([_checked(name, *pair) for name, pair in given.items()])
    pixels = Pixels(pictures.permute(0, 2, 3, 1), torch.cat([y for _, y in given.values()]), device)
    parts, start = {}, 0
    for name, (x, _) in given.items():
        order, moves = stream(f"order/{name}"), stream(f"augment/{name}")
        where = torch.arange(start, start := start + len(x))
        parts[name] = Pictures(pixels, where, order=order, moves=moves, augment=False)

    def renewed(name: str) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, name))
            return (fresh() if fresh else _reset(model)).to(device)

    with torch.no_grad():
        classes = copy.deepcopy(model).eval()(retain[0][:1].to(device)).shape[1]
    return Task(parts, device=device, stream=stream, fresh=renewed, classes=classes, precision=precision)


def _checked(name: str, pictures: Tensor, labels: Tensor) -> Tensor:
    if len(pictures) != len(labels) or not len(pictures):
        raise UsageFailure(f"{name} holds {len(pictures)} pictures and {len(labels)} labels")
    return pictures.float()


def _reset(model: nn.Module) -> nn.Module:
    """A copy in which every layer has drawn its weights anew.

    Raises:
        UsageFailure: a layer has weights and does not know how to.
    """
    twin = copy.deepcopy(model)
    for name, layer in twin.named_modules():
        reset = getattr(layer, "reset_parameters", None)
        if callable(reset):
            reset()
        elif next(layer.parameters(recurse=False), None) is not None:
            kind = type(layer).__name__
            raise UsageFailure(
                f"layer {name or 'model'} ({kind}) cannot reset its weights",
                "pass make_task(..., fresh=lambda: MyModel()) for methods that start layers anew",
            )
    return twin
