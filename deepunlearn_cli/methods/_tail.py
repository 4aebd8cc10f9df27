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
    from deepunlearn_cli.engine.layers import head, only, renew, renew_layers, tail

    layers, ends = tail(model, hyper.blocks, task.layout), head(model, task.layout)
    if not layers and not ends:
        raise task.refuse(f"{hyper.title} finds no layer to train in this model")
    if anew:
        fresh = task.fresh("reset")
        renew_layers(layers, model, fresh)
        renew(ends, model, fresh)
    with only(model, layers, ends) as task.facts["touched_share"]:
        task.fit(model, task.retain, hyper, stepped(hyper.decay_rate))
    return model
