"""What a method leaves behind beside its weights: modes, hooks, flags, generators, torch's own settings."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Generator, nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch.set_grad_enabled": (torch.is_grad_enabled, torch._C._set_grad_enabled),
    "torch.set_default_dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch.set_num_threads": (torch.get_num_threads, torch.set_num_threads),
    "torch.use_deterministic_algorithms": (
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    ),
}
SOURCES: tuple[tuple[Any, str, str], ...] = (
    (torch, "Generator", "torch.Generator"),
    (torch, "manual_seed", "torch.manual_seed"),
    (np.random, "default_rng", "numpy.random.default_rng"),
    (np.random, "RandomState", "numpy.random.RandomState"),
    (random, "Random", "random.Random"),
)


@contextmanager
def kept_settings() -> Iterator[list[str]]:
    """Gives a list that holds afterwards which of torch's settings the block changed; all are put back."""
    changed: list[str] = []
    before = {name: read() for name, (read, _) in SETTINGS.items()}
    try:
        yield changed
    finally:
        for name, (read, write) in SETTINGS.items():
            if read() != before[name]:
                changed.append(name)
                write(before[name])


class Draws:
    """Where random numbers came from.

    Attributes:
        streams: names of the task's streams that were drawn from.
        shared: generators of the whole process that were drawn from or set.
        own: what made generators of its own, which no seed reaches.
    """

    def __init__(self) -> None:
        self.streams: set[str] = set()
        self.shared: list[str] = []
        self.own: list[str] = []
        self._given: dict[str, tuple[Generator, torch.Tensor]] = {}
        self._paused = True

    def stream(self, source: Callable[[str], Generator]) -> Callable[[str], Generator]:
        """A source of named generators, which are watched."""

        def named(name: str) -> Generator:
            with self.aside():
                generator = source(name)
            self._given.setdefault(name, (generator, generator.get_state()))
            return generator

        return named

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens in the block is not the method's doing."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The block is the method's."""
        before, originals = _shared(), [getattr(place, name) for place, name, _ in SOURCES]
        for (place, name, title), original in zip(SOURCES, originals, strict=True):
            setattr(place, name, _Source(title, (), {"original": original, "tell": self._tell}))
        self._paused = False
        try:
            yield
        finally:
            self._paused = True
            for (place, name, _), original in zip(SOURCES, originals, strict=True):
                setattr(place, name, original)
            after = _shared()
            self.shared = [name for name, state in before.items() if state != after[name]]
            self.streams = {name for name, (one, at) in self._given.items() if _moved(one, at)}

    def _tell(self, title: str) -> None:
        if not self._paused:
            self.own.append(title)


class _Source(type):
    """Stands in for a class or function that makes generators, and tells when it is called."""

    original: Any
    tell: Any

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """What the original makes."""
        cls.tell(cls.__name__)
        return cls.original(*args, **options)

    def __instancecheck__(cls, one: object) -> bool:
        return isinstance(one, cls.original)


def _moved(generator: Generator, before: torch.Tensor) -> bool:
    return not torch.equal(generator.get_state(), before)


def _shared() -> dict[str, Any]:
    """The states of the generators that all code of a process shares."""
    words: Any = np.random.get_state()
    return {
        "torch": torch.random.get_rng_state().tolist(),
        "numpy.random": (words[1].tolist(), *words[2:]),
        "random": random.getstate(),
    }


def left_behind(kind: type[nn.Module], made: nn.Module, keys: list[str]) -> list[str]:
    """What makes a method's model something else than a plain trainable one.

    Args:
        kind: the class of the model that it was given.
        made: what it gave back, before anybody tidied up.
        keys: of the original's state.
    """
    if not isinstance(made, nn.Module):
        return [f"it is a {type(made).__name__}, not a model"]
    found = []
    if type(made) is not kind:
        found.append(f"it is a {type(made).__name__}, not a {kind.__name__}")
    if list(made.state_dict()) != keys:
        found.append("its state has other names")
    for place, module in made.named_modules():
        found += [f"{place or 'the model'} {what}" for what in _of_module(module)]
    for name, weight in made.named_parameters():
        found += [f"{name} {what}" for what in _of_weight(weight)]
    return found


def _of_module(module: nn.Module) -> Iterator[str]:
    if not module.training:
        yield "is left in eval mode"
    if any(getattr(module, kind, None) for kind in HOOKS):
        yield "keeps a hook"
    if "forward" in vars(module):
        yield "has another forward"


def _of_weight(weight: nn.Parameter) -> Iterator[str]:
    if not weight.requires_grad:
        yield "is left frozen (requires_grad is False)"
    if not weight.is_leaf or weight.is_inference():
        yield "cannot be trained any more"
    if weight._backward_hooks or getattr(weight, "_post_accumulate_grad_hooks", None):
        yield "keeps a hook"
