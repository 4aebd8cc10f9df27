"""A look at a trial on its way: one that is hopeless after its first epochs is not made to the end.

The look changes nothing: it draws no random number, and a trial that goes on ends with the bits of one that
nobody looked at. What it is held against is part of the trial's recipe, so that the same trial is stopped
wherever and whenever it is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

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


class Hopeless(Exception):
    """A trial that is not worth its other epochs; `scores` are those of the look."""

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


def watched(method: Method, how: Mapping[str, Any], judge: Judge) -> Method:
    """The method, looked at while it works; `Hopeless` where the look says so.

    Args:
        how: as `look` has it.
        judge: gives a model's scores.
    """
    return cast("Method", _Watched(method, how, judge))


class _Watched:
    """All that a method is, with an `unlearn` of its own."""

    def __init__(self, method: Any, how: Mapping[str, Any], judge: Judge) -> None:
        self._method, self._how, self._judge = method, how, judge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """The method's own, with a look behind the first of its epochs."""
        plain = task.epochs

        def epochs(count: int, optimizer: Optimizer, schedule: Schedule | None = None) -> Iterator[int]:
            for epoch in plain(count, optimizer, schedule):
                if epoch == math.ceil(count * self._how["share"]):
                    self._look(model, task, epoch)
                yield epoch

        task.epochs = epochs  # type: ignore[method-assign]
        try:
            made: nn.Module = self._method.unlearn(model, task)
        finally:
            task.epochs = plain  # type: ignore[method-assign]
        return made

    def _look(self, model: nn.Module, task: Task, epoch: int) -> None:
        from deepunlearn_cli.engine.predict import check_finite

        check_finite(model)
        with task.cost.aside(task.device), _as_it_was(model):
            scores = self._judge(model)
        value = norm(losses(scores, self._how["reference"]))
        task.facts[LOOK] = {"epoch": float(epoch), "norm": value}
        if not value <= self._how["above"]:
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
