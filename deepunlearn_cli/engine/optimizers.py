"""Optimisers without torch's compiler.

torch wraps their functions so that compiled code leaves them alone. At the first call the wrappers load the
compiler (a second or two), whether anything is compiled or not. Here models are compiled, steps never are:
the functions are used as they were before they were wrapped.
"""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch


class _Eager:
    """The functions that all optimisers share."""

    add_param_group: Any = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad: Any = unwrap(torch.optim.Optimizer.zero_grad)


class SGD(_Eager, torch.optim.SGD):
    """torch's SGD, bit for bit."""

    step: Any = torch.no_grad()(unwrap(torch.optim.SGD.step))


class Adam(_Eager, torch.optim.Adam):
    """torch's Adam, bit for bit."""

    step: Any = torch.no_grad()(unwrap(torch.optim.Adam.step))
