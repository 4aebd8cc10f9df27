"""Finding one's way in a network one has never seen: its stem, its stages, its classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor, nn

CONVOLUTIONAL = 0.5  # share of a model's weights from which on its convolutions stand for all of it
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    """Every two-dimensional convolution, in order of definition."""
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]


def linears(model: nn.Module) -> list[nn.Linear]:
    """Every linear layer, in order of definition."""
    return [layer for layer in model.modules() if isinstance(layer, nn.Linear)]


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
    """How much of a model's parameters these are, 0..1."""
    return sum(w.numel() for w in weights) / max(1, sum(p.numel() for p in model.parameters()))


def stem(model: nn.Module) -> nn.Module | None:
    """The first convolution or linear layer, or None."""
    return next((layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)), None)


def classifier(model: nn.Module) -> nn.Module | None:
    """The last convolution or linear layer, or None."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return layers[-1] if layers else None


def stages(model: nn.Module) -> list[nn.Module]:
    """The blocks between stem and classifier: a ResNet's stages, a TinyViT's stages, a ViT's blocks.

    They are the several sequences among a module's children, or the members of the only one; a module with
    neither is searched in its largest child. A plain sequence of layers counts its weight layers.
    """
    last, node = classifier(model), model
    while True:
        inner = [child for child in node.children() if _weighty(child) and last not in set(child.modules())]
        rows: list[nn.Module] = [child for child in inner if isinstance(child, nn.Sequential | nn.ModuleList)]
        if len(rows) > 1:
            return rows
        if isinstance(node, nn.Sequential | nn.ModuleList) or not inner:
            return inner
        node = rows[0] if rows else max(inner, key=_size)


def tail(model: nn.Module, blocks: int) -> list[nn.Module]:
    """Every module from the `blocks`-th last stage on: those stages, and what follows up to the logits.

    More blocks than there are stages mean all stages; the stem is never part of it.
    """
    rows, order = stages(model), list(model.modules())
    first = rows[-min(blocks, len(rows))] if rows else classifier(model)
    return order[order.index(first) :] if first is not None else []


@contextmanager
def only(model: nn.Module, layers: Iterable[nn.Module]) -> Iterator[float]:
    """Nothing but these layers learns: all others keep their weights and their running statistics.

    The others are in eval mode and take no gradient; afterwards the whole model is in train mode again.
    Gives the share of the model's weights that learns.
    """
    chosen = set(layers)
    inside = {id(weight) for layer in chosen for weight in layer.parameters(recurse=False)}
    for weight in model.parameters():
        weight.requires_grad_(id(weight) in inside)
    for module in model.modules():
        module.training = module in chosen
    try:
        yield share(model, (weight for weight in model.parameters() if weight.requires_grad))
    finally:
        model.requires_grad_(True).train()


def renew(layers: Iterable[nn.Module], model: nn.Module, fresh: nn.Module) -> None:
    """Give these layers of `model` the weights and running statistics that `fresh` has at the same places."""
    places = {module: name for name, module in model.named_modules()}
    for layer in layers:
        layer.load_state_dict(fresh.get_submodule(places[layer]).state_dict())


def add_noise(weights: Iterable[Tensor], std: float | Tensor, generator: Generator) -> None:
    """Add N(0, std^2) to each weight in place, drawn from `generator`; `std` may differ by coordinate."""
    for weight in weights:
        noise = torch.randn(weight.shape, generator=generator)
        with torch.no_grad():
            weight.add_(noise.to(weight.device) * std)


def _weighty(module: nn.Module) -> bool:
    """Whether it holds a matrix or kernel, not just scales and shifts."""
    return any(parameter.dim() > 1 for parameter in module.parameters())


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
