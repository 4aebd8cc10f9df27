"""Steps as CUDA graphs: what they launch is recorded once, and launched as one thing from then on.

A ResNet18 at 32 pixels computes for less time than the host takes to launch its thousand kernels. A graph of
the whole step (pictures gathered and augmented, forward, loss, backward, optimiser) launches them at once:
the same kernels on the same numbers, so the same bits. What a graph reads lies where it lay when it was
recorded: what a step is given is copied there before each replay, and all else that varies must be a tensor
that is written in place (learning rates are). Numbers that a function closes over are part of what it is:
with another number it is another function, recorded anew.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from operator import is_
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from deepunlearn_cli.engine.cost import Cost
from deepunlearn_cli.engine.identity import Same, identity
from deepunlearn_cli.engine.pictures import Batch

WARM = 3  # steps of a kind that run before it is recorded: libraries settle, the optimiser makes its state
KINDS = 32  # of steps that are remembered at a time
SYNC = "called a synchronizing CUDA operation"  # torch's warning in set_sync_debug_mode("warn")

Given = Batch | Tensor | float
Step = Callable[..., None]


class Recorder(Protocol):
    """What records and replays: a card, or in tests something that behaves like one."""

    device: torch.device

    def aside(self) -> AbstractContextManager[object]:
        """Where a step that is not recorded runs."""

    def listening(self) -> AbstractContextManager[list[str]]:
        """Gives a list that holds, after the block, what in it made the host wait for the device."""

    def record(self, body: Callable[[], None]) -> Callable[[], object]:
        """A function that does on the device what `body` would do; `body` runs, but does nothing there.

        Raises:
            RuntimeError: `body` does something that cannot be recorded.
        """


@cache
def _beside(device: torch.device) -> torch.cuda.Stream:
    """The stream that all recordings of a process use: cuBLAS keeps 65 MB for every stream it has seen."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class Card:
    """A CUDA device, with a stream to record on and one pool of memory for all recordings of a run."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.pool = device, torch.cuda.graph_pool_handle()
        self.stream = _beside(device)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The stream that records: what a backward pass remembers of its stream is the same then."""
        here = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(here)
        with torch.cuda.stream(self.stream):
            yield
        here.wait_stream(self.stream)

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Listens to torch's warnings; those about other things are passed on."""
        syncs: list[str] = []
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                yield syncs
            finally:
                torch.cuda.set_sync_debug_mode(before)
        for warning in heard:
            if SYNC in str(warning.message):
                syncs.append(str(warning.message))
            elif "Synchronization debug mode" not in str(warning.message):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)

    def record(self, body: Callable[[], None]) -> Callable[[], object]:
        """A CUDA graph."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            body()
        return graph.replay


@dataclass
class _Kind:
    """Steps that launch the same kernels: how many have run, and once recorded, what replays them."""

    ran: int = 0
    state: _State | None = None  # as it was after the last of them
    eager: bool = False  # for good
    replay: Callable[[], object] | None = None
    inputs: list[Tensor] = field(default_factory=list)  # what a replay reads
    work: tuple[int, int] = (0, 0)  # samples forward and backward


class Graphs:
    """Takes steps: the first few of a kind one by one, all others as a graph.

    Attributes:
        counts: how many kinds were `recorded`, and how many steps `replayed` or `eager` (one by one).
    """

    def __init__(self, recorder: Recorder, warn: Callable[[str], None]) -> None:
        self.recorder, self.warn = recorder, warn
        self.counts: dict[str, float] = {"recorded": 0, "replayed": 0, "eager": 0}
        self._kinds: OrderedDict[Hashable, _Kind] = OrderedDict()
        self._modules: dict[nn.Module, list[nn.Module]] = {}
        self._told = False

    def watch(self, model: nn.Module) -> None:
        """A step is recorded anew when a layer of this model is in another mode."""
        if model not in self._modules:
            self._modules[model] = list(model.modules())

    def take(
        self,
        step: Step,
        made_of: Iterable[object],
        given: Sequence[Given],
        cost: Cost,
        optimizer: Optimizer | None = None,
    ) -> None:
        """One step, `step(*given)`, numbers as tensors.

        Args:
            made_of: the functions that tell this step from others.
            cost: where it counts its work.
            optimizer: whose state it works on, if any.
        """
        key = (Same(optimizer), *map(identity, made_of), *map(_shape, given))
        kind, state = self._kind(key), self._state(optimizer)
        if kind.state and not kind.state.is_still(state):
            kind = self._kinds[key] = _Kind()
        if kind.ran >= WARM and not kind.eager and not kind.replay:
            self._record(kind, step, given, cost)
        if kind.replay:
            self._replay(kind, given, cost)
        else:
            self._run(kind, step, given)
            kind.state = self._state(optimizer)

    def clear(self) -> None:
        """Forget all recordings, and give their memory back."""
        self._kinds.clear()
        self._modules.clear()

    def _kind(self, key: Hashable) -> _Kind:
        kind = self._kinds.setdefault(key, _Kind())
        self._kinds.move_to_end(key)
        while len(self._kinds) > KINDS:
            self._kinds.popitem(last=False)
        return kind

    def _state(self, optimizer: Optimizer | None) -> _State:
        groups = optimizer.param_groups if optimizer else []
        numbers = (value for group in groups for value in group.values() if isinstance(value, int | float))
        learns = (weight.requires_grad for group in groups for weight in group["params"])
        modes = (layer.training for layers in self._modules.values() for layer in layers)
        return _State((*numbers, *learns, *modes), [*optimizer.state.values()] if optimizer else [])

    def _run(self, kind: _Kind, step: Step, given: Sequence[Given]) -> None:
        heard: AbstractContextManager[list[str]] = nullcontext([])
        if kind.ran == WARM - 1 and not kind.eager:
            heard = self.recorder.listening()
        with self.recorder.aside(), heard as syncs:
            step(*_like(given, self._flat(given)))
        kind.ran += 1
        self.counts["eager"] += 1
        if syncs:
            self._give_up(kind, "the host waits for the device within a step")

    def _record(self, kind: _Kind, step: Step, given: Sequence[Given], cost: Cost) -> None:
        inputs = [tensor.clone() for tensor in self._flat(given)]
        before = cost.counted()
        try:
            # batches made within the recording: what they keep of pictures is the recording's own
            kind.replay = self.recorder.record(lambda: step(*_like(given, inputs)))
        except RuntimeError as error:
            self._give_up(kind, str(error).splitlines()[0])
            return
        finally:
            kind.work = cost.taken_back(before)
        kind.inputs = inputs
        self.counts["recorded"] += 1

    def _replay(self, kind: _Kind, given: Sequence[Given], cost: Cost) -> None:
        assert kind.replay
        torch._foreach_copy_(kind.inputs, self._flat(given))
        kind.replay()
        cost.add(*kind.work)
        self.counts["replayed"] += 1

    def _give_up(self, kind: _Kind, why: str) -> None:
        kind.eager = True
        if self._told:
            return
        self._told = True
        self.warn(
            f"a training step could not be recorded as a CUDA graph ({why}): its kernels were launched one "
            "by one, which takes several times as long"
        )

    def _flat(self, given: Sequence[Given]) -> list[Tensor]:
        """All tensors of what a step is given; numbers become some, without a copy from the host."""
        tensors: list[Tensor] = []
        for one in given:
            if isinstance(one, Batch):
                tensors += one.tensors()
            elif isinstance(one, Tensor):
                tensors.append(one)
            else:
                tensors.append(torch.full((), one, dtype=torch.float32, device=self.recorder.device))
        return tensors


@dataclass
class _State:
    """What a recorded step works on.

    Attributes:
        settings: numbers of the optimiser that are no tensors, which weights learn, the modes of layers.
        kept: what the optimiser keeps of each weight, compared by identity.
    """

    settings: tuple[float, ...]
    kept: list[Any]

    def is_still(self, other: _State) -> bool:
        """Whether nothing has changed."""
        return (
            self.settings == other.settings
            and len(self.kept) == len(other.kept)
            and all(map(is_, self.kept, other.kept))
        )


def _shape(given: Given) -> Hashable:
    if isinstance(given, Batch):
        return (Same(given.pixels), *map(_shape, given.tensors()))
    return (given.shape, given.dtype) if isinstance(given, Tensor) else "number"


def _like(given: Sequence[Given], tensors: Sequence[Tensor]) -> Iterator[Batch | Tensor]:
    """What was given, of these tensors."""
    rest = iter(tensors)
    for one in given:
        if isinstance(one, Batch):
            yield one.like([next(rest) for _ in one.tensors()])
        else:
            yield next(rest)
