"""What asks for work and hears of it: one protocol, be workers processes here or actors on a cluster.

    def work(link: Link, store: str) -> int:        # a function of a module, so that it can be named
        for item in link.items():                   # asks for one item at a time until dismissed
            link.tell(f"did {item}")
        return 42

    with pool:                                      # leaving it, by an exception too, ends every worker
        for _ in range(2):
            pool.start(work, "store")
        for event in pool.events():                 # until every worker has ended
            if isinstance(event, Asked):
                pool.give(event.worker, todo.pop()) if todo else pool.dismiss(event.worker)

Arguments, items, messages and results are plain data (a recipe as JSON, the store's address), never a model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class Asked:
    """A worker is idle and waits for `give` or `dismiss`."""

    worker: int


@dataclass(frozen=True)
class Told:
    """A worker said something."""

    worker: int
    message: Any


@dataclass(frozen=True)
class Ended:
    """A worker's function returned; the worker is gone."""

    worker: int
    result: Any


@dataclass(frozen=True)
class Lost:
    """A worker died: by the system for want of memory, by somebody's kill, or by a crash of a library.

    Attributes:
        own: whether the worker itself died, and not the machine that it was on.
    """

    worker: int
    reason: str
    own: bool = True


Event = Asked | Told | Ended | Lost
Work = Callable[..., Any]


class Link(Protocol):
    """A worker's link to its owner: what it is given, and where it reports. For its main thread only."""

    @property
    def workers(self) -> int:
        """How many share the machine (or its card), this one included."""

    @property
    def node(self) -> str:
        """The name of the machine in its cluster; empty on the owner's own."""

    def tell(self, message: Any) -> None:
        """Send a message to the owner, who gets it as `Told`."""

    def items(self) -> Iterator[Any]:
        """Ask for an item, yield it, ask for the next, until the owner dismisses this worker."""


class Pool(ABC):
    """Workers, as who owns them sees them; a context manager that ends them.

    Attributes:
        lives: how many of its workers may die of an item before that is the item's own failure.
        stillborn: how many workers in a row may die before they asked for anything.
        without: a hint, how to do without such workers.
    """

    lives: int
    stillborn: int
    without: str

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @abstractmethod
    def start(self, work: Work, *arguments: Any) -> int:
        """Start a worker that calls `work(link, *arguments)`; gives its number, which is never used again."""

    @abstractmethod
    def give(self, worker: int, item: Any) -> None:
        """The item that an idle worker asked for. If it has just died, `Lost` follows."""

    @abstractmethod
    def dismiss(self, worker: int) -> None:
        """Tell an idle worker that there is no more to do."""

    @abstractmethod
    def events(self) -> Iterator[Event]:
        """What the workers do, as it happens, until none is left; workers may be started in between.

        Raises:
            Exception: what a worker's function raised, with the worker's traceback as its cause.
        """

    def run(self, work: Work, arguments: list[tuple[Any, ...]]) -> Iterator[Event]:
        """Start a worker for each tuple of arguments, and give their events."""
        for one in arguments:
            self.start(work, *one)
        yield from self.events()

    @abstractmethod
    def stop(self) -> None:
        """End every worker that is left."""


class RemoteTraceback(Exception):
    """Where in the worker an exception came from; the cause of that exception in the owner."""

    def __str__(self) -> str:
        return f"in a worker process:\n{self.args[0]}"


def heard(worker: int, kind: str, what: Any) -> Event:
    """What a worker's word means; raises what its function raised."""
    match kind:
        case "asked":
            return Asked(worker)
        case "told":
            return Told(worker, what)
        case "ended":
            return Ended(worker, what)
        case "raised":
            error, text = what
            raise error from RemoteTraceback(text)
    return Lost(worker, what)
