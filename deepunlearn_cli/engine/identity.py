"""When two functions are one and the same step: by their code, and by what they close over."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from types import FunctionType, MethodType

DEPTH = 4  # of functions that close over functions


class Same:
    """A thing that is equal to itself alone. It is held, so that no other takes its place."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.thing is other.thing

    def __hash__(self) -> int:
        return id(self.thing)


def identity(thing: object, depth: int = DEPTH) -> Hashable:
    """What a function is: its code and what it closes over, numbers by value and all else by itself."""
    if thing is None or isinstance(thing, int | float | str):
        return type(thing), thing
    if isinstance(thing, partial):
        bound = (*thing.args, *thing.keywords.items())
        return (identity(thing.func, depth), *(identity(one, depth) for one in bound))
    if isinstance(thing, MethodType):
        return Same(thing.__self__), identity(thing.__func__, depth)
    if isinstance(thing, tuple):
        return tuple(identity(one, depth) for one in thing)
    if isinstance(thing, FunctionType) and depth:
        cells = (cell.cell_contents for cell in thing.__closure__ or ())
        inner = (*cells, *(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).items())
        return (thing.__code__, Same(thing.__globals__), *(identity(one, depth - 1) for one in inner))
    return Same(thing)
