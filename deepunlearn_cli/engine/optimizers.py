"""Optimisers without torch's compiler.

torch wraps their functions so that compiled code leaves them alone. At the first call the wrappers load the
compiler (a second or two), whether anything is compiled or not. Here nothing is: the functions are used as
they were before they were wrapped. A test fails where torch wraps them otherwise, and where it no longer
loads the compiler: then this file can go.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import Any, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def bare(function: Callable[P, R]) -> Callable[P, R]:
    """A function of torch's as it was before it was wrapped."""
    inner: Callable[P, R] = unwrap(function)
    return inner


class _Eager:
    """The functions that all optimisers share."""

    add_param_group = bare(torch.optim.Optimizer.add_param_group)
    zero_grad = bare(torch.optim.Optimizer.zero_grad)


class SGD(_Eager, torch.optim.SGD):
    """torch's SGD, bit for bit."""

    step = torch.no_grad()(bare(torch.optim.SGD.step))


class Adam(_Eager, torch.optim.Adam):
    """torch's Adam, and with decoupled weight decay its AdamW, bit for bit."""

    step = torch.no_grad()(bare(torch.optim.Adam.step))


def rate(lr: float, device: torch.device) -> float | Tensor:
    """A learning rate for an optimiser: on CUDA a tensor, which recorded steps read anew."""
    return torch.tensor(lr, device=device) if device.type == "cuda" else lr


def set_rate(group: dict[str, Any], lr: float) -> None:
    """The learning rate of the steps that follow, of one of an optimiser's groups of weights."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


def forget_momentum(optimizer: torch.optim.Optimizer) -> None:
    """The steps that follow start at rest, as the first one did; the state itself stays in its place."""
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, Tensor):
                value.zero_()
