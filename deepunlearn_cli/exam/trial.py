"""One run of a method under examination: what it is about, and what was seen of it."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import Tensor, nn

from deepunlearn_cli.core.fields import Value
from deepunlearn_cli.engine import device
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.pictures import Pictures
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.exam import tiny
from deepunlearn_cli.exam.tiny import Counts
from deepunlearn_cli.exam.traces import Draws, kept_settings, left_behind
from deepunlearn_cli.exam.watch import Watch, WatchedTask
from deepunlearn_cli.library import unlearn
from deepunlearn_cli.methods import Method

FROZEN = ("conv1.", "bn1.")  # of the CNN, in a run with frozen layers


@dataclass(frozen=True)
class Setting:
    """What a run is about.

    Attributes:
        params: hyperparameters beside the short ones, as sorted pairs.
        frozen: whether the first layers of the model are frozen.
        double: whether model and pictures are in 64 bits, so that rounding is far below any effect.
        filled: whether new memory is filled with NaN, so that nothing unwritten is read unseen.
    """

    kind: str = "cnn"
    counts: Counts = tiny.FEW
    params: tuple[tuple[str, Value], ...] = ()
    seed: int = 0
    precision: str = "fp32"
    frozen: bool = False
    double: bool = False
    filled: bool = False


@dataclass
class Trial:
    """What came of a run: what there was before and after, and what was seen in between.

    Attributes:
        made: the unlearned model, None where `error` was raised instead.
        touched: what was changed that is not the method's to change.
        left: what the method left behind in its model and in torch, before anybody tidied up.
    """

    before: dict[str, Tensor]
    task: Task
    watch: Watch
    draws: Draws
    seconds: float = 0.0
    made: nn.Module | None = None
    error: Exception | None = None
    touched: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)

    @property
    def model(self) -> nn.Module:
        """The unlearned model, which is there."""
        assert self.made is not None
        return self.made

    @property
    def after(self) -> dict[str, Tensor]:
        """A copy of all it holds."""
        return tiny.weights(self.model)


def attempt(actor: Method, setting: Setting) -> Trial:
    """Run a method, and see what comes of it."""
    given, task = _original(setting), _task(actor, setting)
    trial = Trial(tiny.weights(given), task, task.watch, task.draws)
    task.parts = _Parts(task.parts, trial.read)
    held, start = _held(given, task), time.perf_counter()
    try:
        with _filling() if setting.filled else nullcontext():
            trial.made = unlearn(given, cast("Method", _Observed(actor, trial)), task, seed=setting.seed)
    except Exception as error:  # noqa: BLE001 - whatever the method's own code raises
        trial.error = error
    trial.seconds = time.perf_counter() - start
    now = _held(given, task)
    trial.touched = [name for name, value in held.items() if not torch.equal(value, now[name])]
    return trial


@dataclass(frozen=True)
class _Observed:
    """A method as `unlearn` sees it, watched while it works."""

    actor: Method
    trial: Trial

    def __getattr__(self, name: str) -> Any:
        return getattr(self.actor, name)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """What the method does."""
        kind, keys = type(model), list(model.state_dict())
        with self.trial.watch.watching(), self.trial.draws.watching(), kept_settings() as changed:
            made = self.actor.unlearn(model, task)
        self.trial.left = left_behind(kind, made, keys) + [f"{name} is left changed" for name in changed]
        return made


class _Parts(dict[str, Pictures]):
    """Parts of the data that note which of them are asked for."""

    def __init__(self, parts: Mapping[str, Pictures], read: set[str]) -> None:
        super().__init__(parts)
        self._read = read

    def __getitem__(self, name: str) -> Pictures:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read |= {name} & self.keys()
        return super().get(name, default)


def _task(actor: Method, setting: Setting) -> WatchedTask:
    """A watched task with all parts, whether the method declares them or not."""
    counts, watch, draws = setting.counts, Watch(), Draws()
    stream = draws.stream(streams(setting.seed))

    def fresh(name: str) -> nn.Module:
        with watch.aside(), draws.aside():
            return _cast(tiny.fresh(setting.kind, setting.seed, name), setting)

    shown = tiny.pixels(counts.retain + counts.forget + counts.val, double=setting.double)
    parts = {
        name: tiny.part(shown, where, name=name, stream=stream) for name, where in counts.ranges().items()
    }
    made = WatchedTask(
        parts,
        device=tiny.CPU,
        stream=stream,
        fresh=fresh,
        classes=tiny.CLASSES,
        precision=setting.precision,
    )
    made.watch, made.draws = watch, draws
    if actor.tracked:
        made.track = tiny.track(setting.kind, counts, double=setting.double, without=_asleep(setting))
    return made


def _original(setting: Setting) -> nn.Module:
    """What the method starts from: a trained model, of one's own."""
    model = _cast(copy.deepcopy(tiny.tracked(setting.kind, 0, setting.counts)[0]), setting)
    for name, weight in model.named_parameters():
        weight.requires_grad_(not name.startswith(_asleep(setting)))
    return model


def _asleep(setting: Setting) -> tuple[str, ...]:
    """How the names of frozen weights begin."""
    return FROZEN if setting.frozen else ()


def _cast(model: nn.Module, setting: Setting) -> nn.Module:
    return model.double() if setting.double else model


def _held(model: nn.Module, task: Task) -> dict[str, Tensor]:
    """Copies of what is not the method's to change."""
    pixels = next(iter(task.parts.values())).pixels
    flags = [weight.requires_grad for weight in model.parameters()]
    modes = [module.training for module in model.modules()]
    parts = {f"the labels of the {name} set": part.labels for name, part in task.parts.items()}
    held = {
        "the pictures": pixels.images,
        "the labels": pixels.labels,
        "the flags of the input model": torch.tensor(flags),
        "the modes of the input model": torch.tensor(modes),
        **parts,
    }
    state = {f"{name} of the input model": value for name, value in model.state_dict().items()}
    return {name: value.detach().clone() for name, value in {**held, **state}.items()}


@contextmanager
def _filling() -> Iterator[None]:
    """New memory is filled with NaN in the block: `repeatable` leaves the switch alone."""
    before, device.KERNELS = device.KERNELS, SimpleNamespace(fill_uninitialized_memory=False)
    try:
        yield
    finally:
        device.KERNELS = before
