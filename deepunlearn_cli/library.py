"""The library: what the command line is a client of.

May import: `core`, `engine`, `methods`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.methods import METHODS, Method

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from deepunlearn_cli.engine.pictures import Pictures, Pixels
    from deepunlearn_cli.engine.task import Task

    Array = Tensor | NDArray[Any]
    Stream = Callable[[str], torch.Generator]
    Labelled = tuple[Array, Array]  # pictures (N, C, H, W) as the model takes them, labels (N,)

PADDED = 8  # a training crop may be off by so manieth part of a side, as for arrays of the command line


def unlearn(model: nn.Module, method: str | Method, task: Task, *, seed: int = 0) -> nn.Module:
    """The model without what `task.forget` taught it; `model` itself stays as it is.

    Weights that do not learn (`requires_grad` is False, or no loss reaches them) stay to the bit; the result
    has the modes and flags of `model`.

    Args:
        model: any torch classifier, on the task's device. It gives logits (N, K), bare, as `.logits` of an
            object, or as the first of several outputs.
        method: a public name (with its defaults), or an instance with hyperparameters of yours.
        task: the data and what to work with; its `cost`, `log` and `facts` tell afterwards what was done.
        seed: of layers that draw at random (dropout, stochastic depth).

    Raises:
        RunFailed: the result is not finite, or no weight has changed.
        UsageFailure: the method cannot act on this architecture, or nothing in it learns; it gave no model.
    """
    from deepunlearn_cli.engine.device import repeatable
    from deepunlearn_cli.engine.predict import changed, check_finite

    actor = METHODS.get(method)() if isinstance(method, str) else method
    task.facts.setdefault("reads", list(actor.reads))
    own = copy.deepcopy(model)
    with _at_work(own, task) as reveal, repeatable(seed, task.device), task.cost.clock(task.device):
        unlearned = _checked_model(actor.unlearn(own.train(), task), actor)
    if task.graphs:
        task.graphs.clear()
    unlearned = _as_given(reveal(unlearned), model)
    check_finite(unlearned)
    if proved := actor.guarantee():
        task.facts.update(proved.facts())
    if actor.changes_weights and not actor.from_scratch and not changed(model.state_dict(), unlearned):
        raise RunFailed("the method did not change any weight", "raise -p lr=... or -p epochs=...")
    return unlearned


def _checked_model(made: object, actor: Method) -> nn.Module:
    from torch import nn

    if not isinstance(made, nn.Module):
        name = type(actor).__name__
        raise UsageFailure(
            f"{name}.unlearn gave a {type(made).__name__}, not a model", "it ends in: return model"
        )
    return made


@contextmanager
def _at_work(own: nn.Module, task: Task) -> Iterator[Callable[[nn.Module], nn.Module]]:
    """A copy of a model, and what a task makes of its kind, as methods see them; gives what undoes that."""
    from deepunlearn_cli.engine import frozen, layout, logits

    shape = next((part.pixels.shape for part in task.parts.values()), None)
    seen = next(own.parameters(), None) is not None and shape is not None
    asleep = frozen.names_of(own)
    wrapped = seen and shape is not None and logits.settle(own, logits.blank(own, shape), task.classes)
    if seen and shape:
        task.layout = layout.trace(own, shape)
        asleep |= dict(own.named_parameters()).keys() - task.layout.reached
        _check_awake(own, asleep)
    values = frozen.kept(own, asleep)
    drawn = task.fresh

    def renewed(stream: str) -> nn.Module:
        model = drawn(stream)
        if wrapped:
            logits.settle(model, logits.blank(model, shape or (1, 1, 1)), task.classes)
        return frozen.hide(model, asleep | frozen.names_of(model), values)

    task.fresh = renewed
    if task.track:
        frozen.hide(task.track.start, asleep, values)
    frozen.hide(own, asleep)
    try:
        yield lambda made: frozen.reveal(logits.unsettled(made) if wrapped else made)
    finally:
        task.fresh = drawn


def _check_awake(model: nn.Module, asleep: Collection[str]) -> None:
    if asleep and all(name in asleep for name, _ in model.named_parameters()):
        raise UsageFailure("every weight of the model is frozen", "model.requires_grad_(True) lets all learn")


def _as_given(made: nn.Module, model: nn.Module) -> nn.Module:
    """With the modes and flags of the model that was given, where it has such modules and weights."""
    modes = {name: module.training for name, module in model.named_modules()}
    flags = {name: weight.requires_grad for name, weight in model.named_parameters()}
    if not flags:  # training began from nothing
        return made
    for name, module in made.named_modules():
        module.training = modes.get(name, module.training)
    for name, weight in made.named_parameters():
        weight.requires_grad_(flags.get(name, weight.requires_grad))
    return made


def make_task(
    model: nn.Module,
    *,
    retain: Labelled,
    forget: Labelled,
    val: Labelled | None = None,
    test: Labelled | None = None,
    seed: int = 0,
    precision: str = "fp32",
    augment: bool = True,
    flip: bool = False,
    fresh: Callable[[], nn.Module] | None = None,
) -> Task:
    """A task over your own tensors or arrays, for `unlearn` and `audit`.

    Args:
        model: the classifier it is for; the task works on its device.
        retain, forget: training pictures (N, C, H, W), as the model takes them, and labels (N,).
        val: pictures that the model never saw in training, which some methods need.
        test: others that it never saw, which no method reads: for `audit`.
        seed: of every random stream; same seed, same bits.
        precision: `fp32`, or `bf16` for automatic mixed precision.
        augment: whether steps see pictures moved by up to an eighth of their size, in a border of zeros, as
            the command line moves arrays.
        flip: whether half of them are mirrored, too.
        fresh: builds a new, untrained model; by default each layer of a copy is reset.

    Raises:
        UsageFailure: pictures and labels differ in number, a part is empty, or they are not for this model.
    """
    from deepunlearn_cli.engine import logits
    from deepunlearn_cli.engine.device import streams
    from deepunlearn_cli.engine.task import Task

    weight, stream = next(model.parameters()), streams(seed)
    given = {"retain": retain, "forget": forget, "val": val, "test": test}
    checked = {name: _checked(name, pair, weight.dtype) for name, pair in given.items() if pair is not None}
    pixels = _pixels(checked.values(), weight.device, augment=augment, flip=flip)
    parts = _parts({name: len(x) for name, (x, _) in checked.items()}, pixels, stream, augment=augment)
    classes = logits.classes_of(model, pixels.shape)
    _check_labels(pixels.labels, classes)
    built = partial(_built, fresh or partial(_reset, model), seed, weight.device)
    return Task(parts, device=weight.device, stream=stream, fresh=built, classes=classes, precision=precision)


def _built(fresh: Callable[[], nn.Module], seed: int, device: torch.device, name: str) -> nn.Module:
    """A new model, by the stream of this name."""
    import torch

    from deepunlearn_cli.core.recipe import stream_seed

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, name))
        return fresh().to(device)


def _pixels(
    pairs: Iterable[tuple[Tensor, Tensor]], device: torch.device, *, augment: bool, flip: bool
) -> Pixels:
    """All parts' pictures and labels, one after the other."""
    import torch

    from deepunlearn_cli.engine.pictures import Pixels

    pictures, labels = (torch.cat(several) for several in zip(*pairs, strict=True))
    pictures = pictures.permute(0, 2, 3, 1)
    pad = min(pictures.shape[1:3]) // PADDED if augment else 0
    return Pixels(pictures, labels, device, flip=augment and flip, pad=pad)


def _parts(sizes: Mapping[str, int], pixels: Pixels, stream: Stream, *, augment: bool) -> dict[str, Pictures]:
    """The parts of pictures that lie one after the other, each with streams of its own."""
    import torch

    from deepunlearn_cli.engine.pictures import Pictures

    parts, start = {}, 0
    for name, size in sizes.items():
        order, moves = stream(f"order/{name}"), stream(f"augment/{name}")
        where = torch.arange(start, start := start + size)
        parts[name] = Pictures(pixels, where, order=order, moves=moves, augment=augment)
    return parts


def _check_labels(labels: Tensor, classes: int) -> None:
    for label in (int(labels.min()), int(labels.max())):
        if not 0 <= label < classes:
            raise UsageFailure(
                f"label {label} is none of the model's {classes} classes",
                f"labels are whole numbers from 0 to {classes - 1}",
            )


def _checked(name: str, pair: Labelled, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    """Pictures of the model's type and labels, from tensors or arrays."""
    import torch

    x, y = torch.as_tensor(pair[0]), torch.as_tensor(pair[1])
    if len(x) != len(y) or not len(x):
        raise UsageFailure(
            f"{name} holds {len(x)} pictures and {len(y)} labels", "give one label for each picture, and some"
        )
    if x.dim() != 4 or not x.is_floating_point():
        raise UsageFailure(
            f"{name} pictures are {str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}, not real numbers "
            "(N, C, H, W)",
            "prepare them as the model takes them: scaled, normalised, channels first",
        )
    if kind not in (torch.float32, torch.float64):
        raise UsageFailure(f"the model's weights are {kind}", "model.float() makes them 32-bit numbers")
    if y.dim() != 1 or y.is_floating_point():
        raise UsageFailure(f"{name} labels are not whole numbers (N,)", "give class numbers from 0 up")
    return x.to(kind), y.long()


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
