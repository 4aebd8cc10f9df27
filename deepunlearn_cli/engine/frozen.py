"""Frozen means frozen: while a method works, weights that shall not learn are no parameters of its model.

They become buffers at the same places. So whatever a method does to parameters (steps, noise, resets, decay,
flags), and whoever counts them, passes them by; afterwards they are parameters again, in the old order.
BatchNorm layers whose weights are all frozen keep their running statistics too, and use them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

ORDER = "_names_before_freezing"  # of a module: its own parameters, those hidden too


def names_of(model: nn.Module) -> set[str]:
    """The weights that a model's owner froze (`requires_grad` is False)."""
    return {name for name, weight in model.named_parameters() if not weight.requires_grad}


def kept(model: nn.Module, names: Collection[str]) -> dict[str, Tensor]:
    """What stays of a model whose named weights are frozen: these, and the statistics of frozen layers."""
    values = {name: weight.detach() for name, weight in model.named_parameters() if name in names}
    for place, module in model.named_modules():
        own = {f"{place}.{name}" if place else name for name, _ in module.named_parameters(recurse=False)}
        if isinstance(module, _NormBase) and own and own <= set(names):
            values |= {f"{place}.{name}" if place else name: v for name, v in module.named_buffers()}
    return values


def hide(model: nn.Module, names: Collection[str], values: Mapping[str, Tensor] | None = None) -> nn.Module:
    """The model, with the named weights (and those tied to them) as buffers.

    Args:
        values: what they and the statistics beside them shall be, where they are not to stay as they are.
    """
    if values:
        model.load_state_dict(values, strict=False)
    weights = dict(model.named_parameters(remove_duplicate=False))
    hidden = {id(weights[name]): weights[name].detach() for name in names if name in weights}
    for module in list(model.modules()) if hidden else ():
        _hide_in(module, hidden)
    return model


def _hide_in(module: nn.Module, hidden: Mapping[int, Tensor]) -> None:
    own = {name: weight for name, weight in module._parameters.items() if weight is not None}
    inside = [name for name, weight in own.items() if id(weight) in hidden]
    if not inside:
        return
    setattr(module, ORDER, list(module._parameters))
    for name in inside:
        value = hidden[id(module._parameters.pop(name))]
        module.register_buffer(name, value)
    if isinstance(module, _NormBase) and len(inside) == len(own):
        module.register_forward_pre_hook(_in_use)


def reveal(model: nn.Module) -> nn.Module:
    """The model, with its hidden weights as frozen parameters again."""
    made: dict[int, nn.Parameter] = {}
    for module in model.modules():
        if holds(module):
            _reveal_in(module, made)
    return model


def _reveal_in(module: nn.Module, made: dict[int, nn.Parameter]) -> None:
    order = module.__dict__.pop(ORDER)
    own = dict(module._parameters)
    for name in order:
        if name not in own:
            value: Any = module._buffers.pop(name)
            own[name] = made.setdefault(id(value), nn.Parameter(value, requires_grad=False))
    module._parameters.clear()
    module._parameters.update({name: own[name] for name in order})
    for number, hook in list(module._forward_pre_hooks.items()):
        if hook is _in_use:
            del module._forward_pre_hooks[number]


def holds(module: nn.Module) -> bool:
    """Whether a module has hidden weights of its own."""
    return ORDER in module.__dict__


def size(model: nn.Module) -> int:
    """How many numbers all weights are, hidden ones too; tied ones count once."""
    weights: dict[int, Tensor] = {id(weight): weight for weight in model.parameters()}
    for module in model.modules():
        for name in module.__dict__.get(ORDER, ()):
            weight = getattr(module, name)
            if weight is not None:
                weights[id(weight)] = weight
    return sum(weight.numel() for weight in weights.values())


def _in_use(module: nn.Module, inputs: Any) -> None:
    """A frozen normalisation works as in evaluation, in whatever mode the model is."""
    module.training = False
