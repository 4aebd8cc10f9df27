"""A recorder in place of a card: what is recorded runs without effect, and a replay does it without a count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FunctionType

import torch
from torch import Tensor

from deepunlearn_cli.engine import task as task_room
from deepunlearn_cli.engine.graphs import Graphs
from deepunlearn_cli.engine.task import Task


class OnPaper:
    """Behaves to `Graphs` as a card does.

    Attributes:
        broken: raised by whatever is to be recorded.
        waits: what it hears of the host's waits in a step.
    """

    def __init__(self, task: Task) -> None:
        self.task, self.device = task, task.device
        self.optimizers: list[torch.optim.Optimizer] = []
        self.broken: Exception | None = None
        self.waits: list[str] = []
        for name in ("sgd", "adam"):
            setattr(task, name, self._remembering(getattr(task, name)))

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        yield self.waits

    def record(self, body: Callable[[], None]) -> Callable[[], object]:
        if self.broken:
            raise self.broken
        written = [*self._tensors(), *closed_over(body)]
        before = [(tensor, tensor.detach().clone()) for tensor in written]
        with torch.random.fork_rng(devices=[]):
            body()
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)

        def replay() -> None:
            counted = self.task.cost.counted()
            body()
            self.task.cost.taken_back(counted)

        return replay

    def _tensors(self) -> Iterator[Tensor]:
        """All that a step writes to: what models and optimisers hold, and the sums of readings."""
        assert self.task.graphs
        for model in self.task.graphs._modules:
            yield from model.state_dict().values()
        for optimizer in self.optimizers:
            for state in optimizer.state.values():
                yield from (value for value in state.values() if isinstance(value, Tensor))
        yield from self.task._readings._sums.values()
        yield from self.task._readings._counts.values()

    def _remembering(
        self, make: Callable[..., torch.optim.Optimizer]
    ) -> Callable[..., torch.optim.Optimizer]:
        def made(*args: object, **settings: object) -> torch.optim.Optimizer:
            self.optimizers.append(make(*args, **settings))
            return self.optimizers[-1]

        return made


def closed_over(thing: object) -> Iterator[Tensor]:
    """Tensors that a function writes to without being given them."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, FunctionType):
        for cell in thing.__closure__ or ():
            yield from closed_over(cell.cell_contents)
    elif isinstance(thing, list | dict):
        for one in thing.values() if isinstance(thing, dict) else thing:
            yield from closed_over(one)


def recorded(task: Task) -> OnPaper:
    """Have a task's steps recorded, and give what records them."""
    paper = OnPaper(task)
    task.graphs = Graphs(paper, task.warn)
    return paper


def rates_as_tensors(monkeypatch: object) -> None:
    """Learning rates as they are on CUDA."""
    monkeypatch.setattr(task_room, "rate", lambda lr, device: torch.tensor(lr, device=device))  # type: ignore[attr-defined]
