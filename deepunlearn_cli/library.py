"""The library: what the command line is a client of."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from deepunlearn_cli.errors import RunFailed
from deepunlearn_cli.methods import METHODS, Method

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


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
    check_finite(unlearned)
    if actor.changes_weights and not actor.from_scratch and not changed(model.state_dict(), unlearned):
        raise RunFailed("the method did not change any weight", "raise -p lr=... or -p epochs=...")
    return unlearned
