"""What a method is, and the ranges that most methods share, one home for each.

They are the benchmark's: Deep Unlearn (arXiv 2410.01276), `munl/settings.py` of its released code.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from deepunlearn_cli.core.fields import TRAINING_SHARE, Declared, choice, real, whole

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.core.guarantee import Guarantee
    from deepunlearn_cli.engine.task import Task


@dataclass(frozen=True)
class Sizes:
    """How many pictures each part holds, and how many classes there are."""

    retain: int
    forget: int
    val: int
    classes: int

    @property
    def training(self) -> int:
        """Retain and forget pictures."""
        return self.retain + self.forget


CIFAR10 = Sizes(retain=38_250, forget=4_250, val=7_500, classes=10)  # the paper's split: what listings show


@dataclass(frozen=True)
class Method(Declared):
    """A way to remove the forget set from a trained model.

    Class attributes: `title` as printed in the paper; `aliases` it is also known by; `paper` it comes from;
    `needs`, the parts of the data it may read; `touches`, the weights it changes, in words; `control` for
    what the others are compared with; `from_scratch` for a method that ignores the original's weights;
    `changes_weights`, False only for the do-nothing control; `partly`, parts of which a run may use some
    pictures only, each with why; `inert`, hyperparameters that need not change the weights, each with why
    (`deepunlearn check` asks for the two); `tracked` for one that starts from tracked originals only
    (`train --track`), `posthoc` if an earlier checkpoint can stand in for the track; `estimated` where the
    pictures decide how much work there is, so that `work` is what it commonly takes.
    """

    revision = 2  # 1: each pass ended in a batch of what was left, and a single picture was seen twice
    title: ClassVar[str]
    paper: ClassVar[str] = "unpublished"
    aliases: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ("retain",)
    touches: ClassVar[str] = "all weights"
    control: ClassVar[bool] = False
    from_scratch: ClassVar[bool] = False
    changes_weights: ClassVar[bool] = True
    partly: ClassVar[Mapping[str, str]] = {}
    inert: ClassVar[Mapping[str, str]] = {}
    tracked: ClassVar[bool] = False
    posthoc: ClassVar[bool] = False
    estimated: ClassVar[bool] = False

    @abstractmethod
    def unlearn(self, model: nn.Module, task: Task) -> nn.Module:
        """The unlearned model; `model` is the method's own copy of the original, in train mode."""

    @abstractmethod
    def work(self, n: Sizes) -> float:
        """About how many samples it trains on; a forward pass without a backward one counts a third."""

    def guarantee(self) -> Guarantee | None:
        """What is proved of the models that it makes with these settings; nothing of most methods."""
        return None

    @property
    def reads(self) -> tuple[str, ...]:
        """The parts of the data that it reads with these settings."""
        return self.needs

    def cost(self, n: Sizes = CIFAR10) -> float:
        """`work` in epochs of training."""
        return self.work(n) / n.training


def per_step(size: int, batch_size: int) -> float:
    """Mean number of samples in a batch of a part of `size` samples, cut into equal batches."""
    return size / math.ceil(size / batch_size)


def passes(default: int, over: str = "the retain set") -> int:
    """Epochs: searched from 1 to 20 % of the original's."""
    return whole(default, 1, TRAINING_SHARE, help=f"passes over {over}")


def rate(default: float, of: str = "") -> float:
    """Learning rate: log-uniform in [1e-5, 0.1]."""
    return real(default, 1e-5, 1e-1, log=True, help=f"learning rate{of and ' '}{of}")


def inertia(default: float) -> float:
    """Momentum: the benchmark "searches" it from 0.9 to 0.9, so it is set by hand only."""
    return real(default, 0.0, 0.999, help="SGD momentum", search=False)


def decay(default: float, of: str = "") -> float:
    """Weight decay: log-uniform in [1e-5, 0.1], or 0 for none."""
    return real(default, 1e-5, 1e-1, log=True, zero=True, help=f"weight decay{of and ' '}{of}")


def batch(default: int) -> int:
    """Batch size: 64, 128 or 256 at most."""
    return choice(default, (64, 128, 256), help="pictures per step")


def heat(default: float) -> float:
    """Temperature: the benchmark's (0, 5], less what is too close to its division by zero."""
    return real(default, 0.1, 5.0, help="temperature of the softmax")
