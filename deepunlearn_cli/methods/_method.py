"""What a method is, and the ranges that most methods share (the benchmark's, one home for each)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from deepunlearn_cli.fields import TRAINING_SHARE, Declared, choice, real, whole

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Method(Declared):
    """A way to remove the forget set from a trained model.

    Class attributes: `title` as printed in the paper; `aliases` it is also known by; `paper` it comes from;
    `needs`, the parts of the data it may read; `control` for what the others are compared with;
    `from_scratch` for a method that ignores the original's weights; `changes_weights`, False only for the
    do-nothing control.
    """

    title: ClassVar[str]
    paper: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ("retain",)
    control: ClassVar[bool] = False
    from_scratch: ClassVar[bool] = False
    changes_weights: ClassVar[bool] = True

    @abstractmethod
    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """The unlearned model; `model` is the method's own copy of the original, in train mode."""


def passes(default: int, over: str = "the retain set") -> Any:
    """Epochs: searched from 1 to 20 % of the original's (benchmark-protocol 4.0)."""
    return whole(default, 1, TRAINING_SHARE, help=f"passes over {over}")


def rate(default: float) -> Any:
    """Learning rate: log-uniform in [1e-5, 0.1] (benchmark-protocol 4.0)."""
    return real(default, 1e-5, 1e-1, log=True, help="learning rate")


def inertia(default: float) -> Any:
    """Momentum: the benchmark "searches" it from 0.9 to 0.9, so it is set by hand only."""
    return real(default, 0.0, 0.999, help="SGD momentum", search=False)


def decay(default: float) -> Any:
    """Weight decay: log-uniform in [1e-5, 0.1], or 0 for none (benchmark-protocol 4.0)."""
    return real(default, 1e-5, 1e-1, log=True, zero=True, help="SGD weight decay")


def batch(default: int) -> Any:
    """Batch size: 64, 128 or 256 (benchmark-protocol 4.0)."""
    return choice(default, (64, 128, 256), help="pictures per step")
