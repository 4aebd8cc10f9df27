"""How a network one has never seen is built: seen while it works, by the graph of its output.

Neither the order in which its layers were defined nor their names say what a network does. A pass over two
made-up pictures does: which layers work in what order, which weights a loss reaches, and which of them are
the head, the last weights on the way to the logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from deepunlearn_cli.engine.fit import as_in_use

Node = Any  # of autograd's graph
TAKING = ("Convolution", "Addmm", "Mm", "Bmm", "Linear", "Norm")  # nodes that take data beside weights


@dataclass(frozen=True)
class Layout:
    """A network by the names of its modules and weights.

    Attributes:
        order: modules as they first work, containers before what they hold; those never called are lacking.
        stages: the blocks between stem and head, in that order.
        head: the weights of the head, of both heads where there are two.
        axes: of the head's weights, which axis counts the classes.
        reached: the weights that a loss has a gradient for.
    """

    order: tuple[str, ...]
    stages: tuple[str, ...]
    head: tuple[str, ...]
    axes: dict[str, int]
    reached: frozenset[str]


def trace(model: nn.Module, shape: tuple[int, int, int]) -> Layout:
    """The layout of a model that gives logits (N, K) for pictures (C, H, W); the model is as it was then."""
    flags = [(weight, weight.requires_grad) for weight in model.parameters()]
    order: dict[nn.Module, None] = {}
    hooks = [
        one.register_forward_pre_hook(lambda module, _: order.setdefault(module)) for one in model.modules()
    ]
    try:
        model.requires_grad_(True)
        with as_in_use(model), torch.enable_grad(), torch.random.fork_rng(devices=[]):
            x = _pictures(model, shape)
            logits = model(x)
            return _layout(model, list(order), logits, x)
    finally:
        for hook in hooks:
            hook.remove()
        for weight, flag in flags:
            weight.requires_grad_(flag)


def by_definition(model: nn.Module) -> Layout:
    """The layout that the order of definition suggests: for models that cannot be shown a picture."""
    order = [module for _, module in model.named_modules()]
    layers = [layer for layer in order if isinstance(layer, nn.Conv2d | nn.Linear)]
    head = _names(model, layers[-1].parameters() if layers else ())
    axes = dict.fromkeys(head, 0)
    every = frozenset(name for name, _ in model.named_parameters())
    return Layout(_places(model, order), _stages(model, order, head), head, axes, every)


def _pictures(model: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    weight = next(model.parameters())
    drawn = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    return drawn.to(weight.device, weight.dtype).requires_grad_()


def _layout(model: nn.Module, order: list[nn.Module], logits: Tensor, x: Tensor) -> Layout:
    graph = _Graph(logits, x)
    reached = _names(model, graph.weights)
    head = _names(model, graph.head())
    named = dict(model.named_parameters())
    axes = _class_axes(logits, {name: named[name] for name in head})
    return Layout(_places(model, order), _stages(model, order, head), head, axes, frozenset(reached))


def _names(model: nn.Module, weights: Iterable[Tensor]) -> tuple[str, ...]:
    known = {id(weight) for weight in weights}
    return tuple(name for name, weight in model.named_parameters() if id(weight) in known)


def _places(model: nn.Module, modules: Iterable[nn.Module]) -> tuple[str, ...]:
    names = {module: name for name, module in model.named_modules()}
    return tuple(names[module] for module in modules if module in names)


class _Graph:
    """What autograd recorded between some data and the logits."""

    def __init__(self, logits: Tensor, x: Tensor) -> None:
        self.root: Node = logits.grad_fn
        self.nodes = list(_upstream(self.root))
        self.weights = [
            node.variable for node in self.nodes if hasattr(node, "variable") and node.variable is not x
        ]
        self.takers = self._takers(x)

    def head(self) -> list[Tensor]:
        """The weights of the nodes closest to the logits that take data and a matrix, and all behind them.

        None where there is no matrix on the way.
        """
        found: list[Tensor] = []
        todo, seen = [self.root], {self.root}
        while todo:
            node = todo.pop()
            own = [weight for one in _before(node) if one not in self.takers for weight in _leaves(one)]
            found += own
            if any(weight.dim() > 1 for weight in own):
                continue
            todo += (ahead := [one for one in _before(node) if one in self.takers and one not in seen])
            seen.update(ahead)
        return found if any(weight.dim() > 1 for weight in found) else []

    def _takers(self, x: Tensor) -> set[Node]:
        """Nodes that data flow through; where they were cut off (`no_grad`), from where they come back in."""
        takers = {node for node in self.nodes if getattr(node, "variable", None) is x}
        if not takers:
            takers = {node for node in self.nodes if _is_cut(node)}
        for node in self.nodes:  # what comes before a node stands before it
            if any(one in takers for one in _before(node)):
                takers.add(node)
        return takers


def _is_cut(node: Node) -> bool:
    data = node.next_functions[:2] if node.next_functions else ()
    return any(name in node.name() for name in TAKING) and any(one is None for one, _ in data)


def _before(node: Node) -> list[Node]:
    return [one for one, _ in node.next_functions if one is not None]


def _upstream(root: Node) -> Iterator[Node]:
    """Every node of a graph, each behind those that it takes from."""
    todo: list[tuple[Node, bool]] = [(root, False)] if root is not None else []
    seen: set[Node] = set()
    while todo:
        node, done = todo.pop()
        if done:
            yield node
        elif node not in seen:
            seen.add(node)
            todo.append((node, True))
            todo += [(one, False) for one in _before(node)]


def _leaves(node: Node) -> list[Tensor]:
    return [one.variable for one in _upstream(node) if hasattr(one, "variable")]


def _class_axes(logits: Tensor, head: dict[str, Tensor]) -> dict[str, int]:
    """By name, the axis along which a weight's parts belong to single classes."""
    if not head:
        return {}
    first = torch.autograd.grad(
        logits[:, 0].sum(), list(head.values()), allow_unused=True, materialize_grads=True
    )
    classes = logits.shape[1]
    axes = {}
    for (name, weight), gradient in zip(head.items(), first, strict=True):
        for axis in (0, weight.dim() - 1) if weight.dim() else ():
            rows = gradient.movedim(axis, 0)
            if weight.shape[axis] == classes and not rows[1:].any() and name not in axes:
                axes[name] = axis
    return axes


def _stages(model: nn.Module, order: list[nn.Module], head: tuple[str, ...]) -> tuple[str, ...]:
    """The several sequences among a module's children, or the members of the only one.

    A module with neither is searched in its largest child. A plain sequence counts its weight layers.
    """
    named = dict(model.named_parameters())
    ends = {named[name] for name in head}
    node, when = model, {module: place for place, module in enumerate(order)}
    while True:
        inner = [child for child in node.children() if _weighty(child) and not ends & set(child.parameters())]
        rows: list[nn.Module] = [child for child in inner if isinstance(child, nn.Sequential | nn.ModuleList)]
        found = rows if len(rows) > 1 else inner
        if len(rows) > 1 or isinstance(node, nn.Sequential | nn.ModuleList) or not inner:
            return _places(model, sorted(found, key=lambda stage: _first(stage, when)))
        node = rows[0] if rows else max(inner, key=_size)


def _first(module: nn.Module, when: dict[nn.Module, int]) -> int:
    """When a module, or the first of those in it, begins to work."""
    return min((when[one] for one in module.modules() if one in when), default=len(when))


def _weighty(module: nn.Module) -> bool:
    """Whether it holds a matrix or kernel, not just scales and shifts."""
    return any(parameter.dim() > 1 for parameter in module.parameters())


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
