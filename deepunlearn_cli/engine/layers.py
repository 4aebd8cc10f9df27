"""Parts of a network one has never seen, as methods ask for them: stem, stages, head, kernels, norms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Generator, Tensor, nn

from deepunlearn_cli.engine import frozen
from deepunlearn_cli.engine.layout import Layout, by_definition

Layer = TypeVar("Layer", nn.Conv2d, nn.Linear)

CONVOLUTIONAL = 0.5  # share of a model's weights from which on its convolutions stand for all of it
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    """Every two-dimensional convolution that learns, in order of definition; of tied ones the first."""
    return _learning(layer for layer in model.modules() if isinstance(layer, nn.Conv2d))


def linears(model: nn.Module) -> list[nn.Linear]:
    """Every linear layer that learns, in order of definition; of tied ones the first."""
    return _learning(layer for layer in model.modules() if isinstance(layer, nn.Linear))


def _learning(layers: Iterable[Layer]) -> list[Layer]:
    """One layer for each weight that is a parameter: those frozen are none while a method works."""
    found: dict[int, Layer] = {}
    for layer in layers:
        if isinstance(layer.weight, nn.Parameter):
            found.setdefault(id(layer.weight), layer)
    return list(found.values())


def kernels(model: nn.Module) -> list[Tensor]:
    """The convolution weights; those of linear layers too where convolutions hold less than half (ViTs)."""
    weights: list[Tensor] = [layer.weight for layer in convolutions(model)]
    if share(model, weights) < CONVOLUTIONAL:
        weights += [layer.weight for layer in linears(model)]
    return weights


def matrices(model: nn.Module) -> list[Tensor]:
    """The weights of all convolutions and linear layers."""
    return [*(c.weight for c in convolutions(model)), *(layer.weight for layer in linears(model))]


def plain_weights(model: nn.Module) -> list[Tensor]:
    """All parameters but those of normalisation layers."""
    norms = {id(w) for layer in model.modules() if isinstance(layer, NORMS) for w in layer.parameters()}
    return [weight for weight in model.parameters() if id(weight) not in norms]


def share(model: nn.Module, weights: Iterable[Tensor]) -> float:
    """How much of a model's weights these are, 0..1; frozen ones count among them, tied ones once."""
    chosen = {id(weight): weight.numel() for weight in weights}
    return sum(chosen.values()) / max(1, frozen.size(model))


def stem(model: nn.Module, layout: Layout | None = None) -> list[Tensor]:
    """The weights that learn of the first convolution or linear layer at work; none where it has none."""
    for place in (layout or by_definition(model)).order:
        layer = model.get_submodule(place)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            return list(layer.parameters())
    return []


def head(model: nn.Module, layout: Layout | None = None) -> list[Tensor]:
    """The weights that learn of the last layer before the logits, of both where there are two heads."""
    named = dict(model.named_parameters())
    return [named[name] for name in (layout or by_definition(model)).head if name in named]


def class_axes(model: nn.Module, layout: Layout | None = None) -> dict[Tensor, int]:
    """By weight of the head, the axis along which its parts belong to single classes."""
    named = dict(model.named_parameters())
    return {
        named[name]: axis for name, axis in (layout or by_definition(model)).axes.items() if name in named
    }


def stages(model: nn.Module, layout: Layout | None = None) -> list[nn.Module]:
    """The blocks between stem and head: a ResNet's stages, a TinyViT's stages, a ViT's blocks."""
    return [model.get_submodule(place) for place in (layout or by_definition(model)).stages]


def tail(model: nn.Module, blocks: int, layout: Layout | None = None) -> list[nn.Module]:
    """Every module from the `blocks`-th last stage on: those stages, and what follows up to the logits.

    More blocks than there are stages mean all stages; the stem is never part of it.
    """
    known = layout or by_definition(model)
    rows = stages(model, known)
    order = [model.get_submodule(place) for place in known.order]
    last = rows[-min(blocks, len(rows)) :] if rows else _holders(model, known)
    if not last:
        return []
    begun = {module for one in last for module in one.modules()}
    start = next((place for place, module in enumerate(order) if module in begun), len(order))
    inside = {module for one in (*last, *order[start:]) for module in one.modules()}
    return [module for module in model.modules() if module in inside]


def _holders(model: nn.Module, layout: Layout) -> list[nn.Module]:
    """The layers that the head's weights belong to, where these are not the model itself."""
    places = {name.rpartition(".")[0] for name in layout.head}
    return [model.get_submodule(place) for place in sorted(places - {""})]


@contextmanager
def only(model: nn.Module, layers: Iterable[nn.Module], weights: Iterable[Tensor] = ()) -> Iterator[float]:
    """Nothing but these layers and weights learns: all others keep weights and running statistics.

    The others are in eval mode and take no gradient; afterwards the whole model is in train mode again.
    Gives the share of the model's weights that learns.
    """
    chosen = set(layers)
    inside = {id(weight) for layer in chosen for weight in layer.parameters(recurse=False)}
    inside |= {id(weight) for weight in weights}
    for weight in model.parameters():
        weight.requires_grad_(id(weight) in inside)
    for module in model.modules():
        module.training = module in chosen
    try:
        yield share(model, (weight for weight in model.parameters() if weight.requires_grad))
    finally:
        model.requires_grad_(True).train()


def renew(weights: Iterable[Tensor], model: nn.Module, fresh: nn.Module) -> None:
    """Give these weights of `model` the values that `fresh` has at the same places."""
    chosen = {id(weight) for weight in weights}
    drawn = dict(fresh.named_parameters())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if id(weight) in chosen:
                weight.copy_(drawn[name])


def renew_layers(layers: Iterable[nn.Module], model: nn.Module, fresh: nn.Module) -> None:
    """Give these layers what `fresh` has at the same places: weights that learn, running statistics too."""
    places = {module: name for name, module in model.named_modules()}
    for layer in layers:
        drawn = fresh.get_submodule(places[layer])
        renew(layer.parameters(recurse=False), layer, drawn)
        if not frozen.holds(layer):
            for name, value in layer.named_buffers(recurse=False):
                value.copy_(drawn.get_buffer(name))


def add_noise(weights: Iterable[Tensor], std: float | Tensor, generator: Generator) -> None:
    """Add N(0, std^2) to each weight in place, drawn from `generator`; `std` may differ by coordinate."""
    for weight in weights:
        noise = torch.randn(weight.shape, generator=generator)
        with torch.no_grad():
            weight.add_(noise.to(weight.device) * std)
