"""What CF-k and EU-k share: the last blocks and the classifier learn from retain, the rest is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.fit import Steps
    from deepunlearn_cli.engine.task import Task

    class Settings(Steps, Protocol):
        """What is set of either."""

        title: ClassVar[str]

        @property
        def blocks(self) -> int:
            """How many blocks are trained, counted from the end."""

        @property
        def decay_rate(self) -> float:
            """Factor of the learning rate after 50, 80 and 90 % of the epochs."""


def train_tail(model: nn.Module, task: Task, hyper: Settings, *, anew: bool) -> nn.Module:
    """The model after plain training of its tail, `anew` from the weights that a fresh model has there.

    Raises:
        UsageFailure: it has no such layers.
    """
    from deepunlearn_cli.engine.fit import stepped
    from deepunlearn_cli.engine.layers import only, renew, tail

    layers = tail(model, hyper.blocks)
    if not layers:
        raise task.refuse(f"{hyper.title} finds no layer to train in this model")
    if anew:
        renew(layers, model, task.fresh("reset"))
    with only(model, layers) as task.facts["touched_share"]:
        task.fit(model, task.retain, hyper, stepped(hyper.decay_rate))
    return model
