"""Logits, in whatever form a model gives them: a tensor, an object with `.logits`, a tuple that begins so."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from deepunlearn_cli.core.errors import UsageFailure


def logits_of(output: Any) -> Tensor | None:
    """The logits in a model's output; None where none are found.

    Of several outputs the first counts: auxiliary heads of torchvision come after the model's own.
    """
    if isinstance(output, Tensor):
        return output
    named = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    if isinstance(named, Tensor):
        return named
    first = output[0] if isinstance(output, list | tuple) and output else None
    return first if isinstance(first, Tensor) else None


def settle(model: nn.Module, x: Tensor, classes: int | None = None) -> bool:
    """See that a model gives logits for pictures `x` (2, C, H, W), in use and in training.

    Where they come wrapped, the model is made to give them bare, until `unsettled`; then True. It is left in
    train mode.

    Raises:
        UsageFailure: it gives no logits, or not one for each class.
    """
    outputs = _tried(model, x)
    found = [logits_of(output) for output in outputs]
    for output, logits in zip(outputs, found, strict=True):
        if logits is None or logits.dim() != 2:
            raise UsageFailure(
                f"the model gives {_described(output, logits)}, not a logit for each picture and class",
                "it must return a tensor (N, classes), or an object with that as its .logits",
            )
        if classes is not None and tuple(logits.shape) != (len(x), classes):
            raise UsageFailure(
                f"the model gives {tuple(logits.shape)} for {len(x)} pictures, not ({len(x)}, {classes})",
                "it must tell as many classes apart as the pictures have",
            )
    model.train()
    bare = all(isinstance(output, Tensor) for output in outputs)
    if not bare:
        model.register_forward_hook(_bare)
    return not bare


def blank(model: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    """Two black pictures (2, C, H, W), where and of the type that a model takes."""
    weight = next(model.parameters())
    return torch.zeros(2, *shape, device=weight.device, dtype=weight.dtype)


def classes_of(model: nn.Module, shape: tuple[int, int, int]) -> int:
    """How many classes a model tells apart in pictures (C, H, W).

    Raises:
        UsageFailure: it gives no logits.
    """
    twin = copy.deepcopy(model)
    settle(twin, x := blank(twin, shape))
    with torch.no_grad():
        return int(twin.eval()(x).shape[1])


def unsettled(model: nn.Module) -> nn.Module:
    """The model as its owner knows it: with whatever it gives beside its logits."""
    for number, hook in list(model._forward_hooks.items()):
        if hook is _bare:
            del model._forward_hooks[number]
    return model


def _tried(model: nn.Module, x: Tensor) -> list[Any]:
    """What a copy of the model gives in eval and in train mode.

    Raises:
        UsageFailure: an error instead.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            return [copy.deepcopy(model).train(training)(x) for training in (False, True)]
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        size = "x".join(map(str, x.shape[1:]))
        raise UsageFailure(
            f"the model does not work on {size} pictures: {reason}",
            "show it pictures of the size and channels that it was made for",
        ) from error


def _bare(model: nn.Module, inputs: Any, output: Any) -> Any:
    found = logits_of(output)
    return output if found is None else found


def _described(output: Any, logits: Tensor | None) -> str:
    return f"a {type(output).__name__}" if logits is None else f"a tensor {tuple(logits.shape)}"
