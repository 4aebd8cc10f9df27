"""Optimisers without torch's compiler.

torch wraps their functions so that compiled code leaves them alone. At the first call the wrappers load the
compiler (a second or two), whether anything is compiled or not. Here models are compiled, steps never are:
the functions are used as they were before they were wrapped. A test fails where torch wraps them otherwise,
and where it no longer loads the compiler: then this file can go.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import ParamSpec, TypeVar

import torch

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
