"""A look at a trial on its way: one that is hopeless after its first epochs is not made to the end.

The look changes nothing: it draws no random number, and a trial that goes on ends with the bits of one that
nobody looked at. What it is held against is part of the trial's recipe, so that the same trial is stopped
wherever and whenever it is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.evaluation.losses import losses, norm

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

    from deepunlearn_cli.engine.fit import Schedule
    from deepunlearn_cli.engine.task import Task
    from deepunlearn_cli.methods import Method

LOOK = "look"  # in the `data` of a trial's recipe
SHARE = 1 / 3  # of a trial's epochs before the look

Judge = Callable[["nn.Module"], Mapping[str, Any]]


class Hopeless(BaseException):
    """A trial that is not worth its other epochs; `scores` are those of the look.

    No error, so that nothing which bears with errors keeps it from ending the trial.
    """

    def __init__(self, scores: Mapping[str, Any]) -> None:
        super().__init__("hopeless")
        self.scores = scores


def look(above: float, reference: Mapping[str, float]) -> dict[str, Any]:
    """What a trial's recipe says of its look.

    Args:
        above: the norm of the four losses beyond which it is stopped.
        reference: RA, FA and VA (0..1) of its retrained model.
    """
    return {"share": SHARE, "above": above, "reference": dict(reference)}


def watch(method: Method, how: Mapping[str, Any] | None, judge: Judge) -> None:
    """Have a method looked at while it works: `Hopeless` where the look says so.

    Args:
        how: as `look` has it; None for no look.
        judge: gives a model's scores.
    """
    if how is None:
        return
    plain = method.unlearn

    def unlearn(model: nn.Module, task: Task) -> nn.Module:
        with _seen(task, how["share"], lambda epoch: _look(model, task, epoch, how, judge)):
            return plain(model, task)

    object.__setattr__(method, "unlearn", unlearn)  # of this one, which is frozen


@contextmanager
def _seen(task: Task, share: float, see: Callable[[int], None]) -> Iterator[None]:
    """Have something see each of the task's loops over epochs behind the first share of it."""
    plain = task.epochs

    def epochs(count: int, optimizer: Optimizer, schedule: Schedule | None = None) -> Iterator[int]:
        for epoch in plain(count, optimizer, schedule):
            if epoch == math.ceil(count * share):
                see(epoch)
            yield epoch

    task.epochs = epochs  # type: ignore[method-assign]
    try:
        yield
    finally:
        task.epochs = plain  # type: ignore[method-assign]


def _look(model: nn.Module, task: Task, epoch: int, how: Mapping[str, Any], judge: Judge) -> None:
    from deepunlearn_cli.engine.predict import check_finite

    check_finite(model)
    with task.cost.aside(task.device), _as_it_was(model):
        scores = judge(model)
    value = norm(losses(scores, how["reference"]))
    task.facts[LOOK] = {"epoch": float(epoch), "norm": value}
    if not value <= how["above"]:
        task.facts["stopped"] = True
        raise Hopeless(scores)


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Leave every module in the mode that it is in, and nothing of what evaluation keeps for itself."""
    modes = {module: module.training for module in model.modules()}
    yield
    model.train()  # timm's attention drops the biases that it kept
    for module, mode in modes.items():
        module.training = mode
