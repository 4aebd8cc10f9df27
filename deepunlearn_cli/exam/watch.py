"""Watches a method at work: what its models are shown, what it takes from a pass, what is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.exam.traces import Draws

Ids = frozenset[int]  # of pictures: their places in the dataset


class Pass:
    """One pass over a part.

    Attributes:
        pictures: all that it is over.
        open: whether it was begun by `endless`, which hands out batches as long as they are wanted.
        taken: the pictures of the batches that were taken from it.
        shown: those of them that a model was shown.
    """

    def __init__(self, pictures: Ids, *, open: bool) -> None:
        self.pictures, self.open = pictures, open
        self.taken: set[int] = set()
        self.shown: set[int] = set()

    @property
    def left_out(self) -> set[int]:
        """Pictures that were to be shown and were not."""
        return (self.taken if self.open else set(self.pictures)) - self.shown


class Watch:
    """What was seen of a method at work.

    Attributes:
        forward, backward: samples that went through some model. Through one that does not learn the way back
            makes half as many gradients, and counts half.
        past: those forwarded by something else than `task.forward`.
        opaque: whether torch.func hid how many they were.
        shown: pictures that some model was shown.
        learned: pictures that a gradient was made of.
    """

    def __init__(self) -> None:
        self.forward = self.backward = self.past = 0
        self.opaque = False
        self.shown: set[int] = set()
        self.learned: set[int] = set()
        self.passes: list[Pass] = []
        self._depth, self._endless, self._aside = 0, False, False
        self._now: Ids | None = None  # what `task.forward` is showing
        self._pass_of: dict[int, tuple[Batch, Pass]] = {}  # the batches too, so that no other takes their id
        self._latest: dict[int, Pass] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """All that happens in the block is watched: no module and no part has to know."""
        batches, endless = Pictures.batches, Pictures.endless
        before = hooks.register_module_forward_pre_hook(self._enter)
        after = hooks.register_module_forward_hook(self._leave, always_call=True)
        Pictures.batches = self._batches(batches)  # type: ignore[method-assign]
        Pictures.endless = self._unending()  # type: ignore[method-assign]
        try:
            yield
        finally:
            Pictures.batches, Pictures.endless = batches, endless  # type: ignore[method-assign]
            before.remove()
            after.remove()
            self._pass_of.clear()
            self._latest.clear()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What models are shown in the block is not the method's doing."""
        before, self._aside = self._aside, True
        try:
            yield
        finally:
            self._aside = before

    @contextmanager
    def showing(self, batch: Batch) -> Iterator[None]:
        """The block is `task.forward` of a batch."""
        ids = ids_of(batch)
        self.shown |= ids
        _, known = self._pass_of.get(id(batch), (None, None))
        for one in ids:
            holder = known or self._latest.get(one)
            if holder:
                holder.shown.add(one)
        self._now = ids
        try:
            yield
        finally:
            self._now = None

    def _enter(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        self._depth += 1
        first = given[0] if given else None
        if self._depth > 1 or self._aside or not _is_model(module) or not isinstance(first, Tensor):
            return
        if torch._C._functorch.is_functorch_wrapped_tensor(first):
            self.opaque = True
            return
        self.forward += len(first)
        self.past += 0 if self._now is not None else len(first)

    def _leave(self, module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
        self._depth -= 1
        if self._depth or self._aside or not _is_model(module) or not isinstance(output, Tensor):
            return
        if not output.requires_grad or torch._C._functorch.is_functorch_wrapped_tensor(output):
            return
        learns = any(weight.requires_grad for weight in module.parameters())
        rows = len(output) if learns else (len(output) + 1) // 2
        ids = self._now or frozenset()

        def went_back(gradient: Tensor) -> None:
            self.backward += rows
            self.learned |= ids

        output.register_hook(went_back)  # type: ignore[no-untyped-call]

    def _batches(self, original: Any) -> Any:
        def batches(part: Pictures, *args: Any, **options: Any) -> Iterator[Batch]:
            begun = Pass(frozenset(part.indices.tolist()), open=self._endless)
            self._endless = False
            self.passes.append(begun)
            for batch in original(part, *args, **options):
                ids = ids_of(batch)
                begun.taken |= ids
                self._pass_of[id(batch)] = batch, begun
                self._latest |= dict.fromkeys(ids, begun)
                yield batch

        return batches

    def _unending(self) -> Any:
        def endless(part: Pictures, *args: Any, **options: Any) -> Iterator[Batch]:
            while True:
                self._endless = True  # until the pass begins, which is at once
                yield from part.batches(*args, **options)

        return endless


class WatchedTask(Task):
    """A task that tells its watch what it shows, and has watched streams."""

    watch: Watch
    draws: Draws

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        """As of any task."""
        with self.watch.showing(batch):
            return super().forward(model, batch)


def ids_of(batch: Batch) -> Ids:
    """The pictures of a batch: all lie on the CPU here, so `picked` are their places."""
    return frozenset(batch.picked.tolist())


def _is_model(module: nn.Module) -> bool:
    """Whether it holds anything: not a loss, say."""
    return next(module.parameters(), next(module.buffers(), None)) is not None
