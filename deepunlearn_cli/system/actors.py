"""Actors: on each slot of a Ray cluster one, with one worker process, as a pool of processes has here.

An actor lives as long as the pool, whatever number of items it does (Ray's own tasks that use a card would be
a process each). It takes what it is given, keeps the process fed, and answers one call at a time of its
owner's with all that the process has said since the last. Ray ends it when its owner is gone, whatever the
owner died of, and the process ends when the actor does.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Condition, Thread
from typing import Any, Protocol

from deepunlearn_cli.core import plugins
from deepunlearn_cli.system.processes import GRACE, Grants, ProcessPool, Setting, portable
from deepunlearn_cli.system.protocol import Asked, Ended, Event, Lost, RemoteTraceback, Told, Work

Words = tuple[str, Any, Any]  # kind, what, and what goes with it


class Porter(Protocol):
    """On a node: what must be there before an item is done, and what goes back with a message."""

    def employ(self, work: Work, arguments: tuple[Any, ...]) -> tuple[Work, tuple[Any, ...]]:
        """The same work, as it is done on this node."""

    def lacking(self, item: Any) -> list[str]:
        """Names of what an item needs that is not on this node."""

    def bring(self, name: str, content: Any) -> None:
        """Take in what was lacking; None for what its owner has not either."""

    def cargo(self, message: Any) -> Any:
        """What goes back with a message; None for nothing."""

    def passing(self, message: Any) -> bool:
        """Whether a message may wait, and is nothing once another came."""


class Terms(Protocol):
    """What an actor is told of its owner; plain data."""

    def porter(self) -> Porter:
        """The porter of the node that this is called on."""


class Actor:
    """One slot of a node."""

    def __init__(self) -> None:
        self._heard, self._said = Condition(), list[Words]()
        self._passing: Words | None = None
        self._held: Any = None
        self._worker = 0

    def begin(
        self, work: Work, arguments: tuple[Any, ...], granted: Grants, setting: Setting, terms: Terms
    ) -> None:
        """Start the worker process; `listen` tells of it."""
        plugins.grant(granted)
        vars(sys.modules["__main__"]).pop("__file__", None)  # or the process would load Ray's own main file
        self._pool = ProcessPool(1, replace(setting, node=node_name()))
        self._thread = Thread(target=self._attend, args=(work, arguments, terms), daemon=True)
        self._thread.start()

    def listen(self, patience: float) -> list[Words]:
        """What was said since the last call, as soon as there is something, at the latest after a while."""
        with self._heard:
            self._heard.wait_for(lambda: self._said, patience)
            said, self._said = self._said, []
            if self._passing:
                said.append(self._passing)
                self._passing = None
            return said

    def give(self, item: Any) -> None:
        """An item for the process; first what is lacking is asked for."""
        try:
            lacking = self._porter.lacking(item)
        except Exception as error:  # noqa: BLE001 - whatever it is, this node is of no use
            self._give_up(error)
            return
        if lacking:
            self._held = item
            self._say("lacks", lacking)
        else:
            self._pool.give(self._worker, item)

    def bring(self, found: Mapping[str, Any]) -> None:
        """What was lacking, by name as references to Ray's objects; then the item is done."""
        import ray

        try:
            for name, reference in found.items():
                self._porter.bring(name, None if reference is None else ray.get(reference))
        except Exception as error:  # noqa: BLE001 - whatever it is, this node is of no use
            self._give_up(error)
            return
        self._pool.give(self._worker, self._held)

    def dismiss(self) -> None:
        """There is no more to do."""
        self._pool.dismiss(self._worker)

    def stop(self) -> None:
        """Have the process end in good order."""
        self._end()
        self._thread.join(GRACE)

    def _give_up(self, error: Exception) -> None:
        self._say("lost", f"not given what it needs ({type(error).__name__}: {error})")
        self._end()

    def _end(self) -> None:
        with suppress(KeyError, ProcessLookupError):
            if pid := self._pool.pid(self._worker):
                os.kill(pid, signal.SIGTERM)

    def _attend(self, work: Work, arguments: tuple[Any, ...], terms: Terms) -> None:
        try:
            self._porter = terms.porter()
            work, arguments = self._porter.employ(work, arguments)
            with self._pool as pool:
                self._worker = pool.start(work, *arguments)
                for event in pool.events():
                    self._pass_on(event)
        except Exception as error:  # noqa: BLE001 - the owner raises it
            cause = error.__cause__
            text = cause.args[0] if isinstance(cause, RemoteTraceback) else traceback.format_exc()
            self._say("raised", (portable(error), text))

    def _pass_on(self, event: Event) -> None:
        match event:
            case Asked():
                self._say("asked", None)
            case Told(_, message) if self._porter.passing(message):
                with self._heard:
                    self._passing = ("told", message, None)
            case Told(_, message):
                self._say("told", message, self._porter.cargo(message))
            case Ended(_, result):
                self._say("ended", result)
            case Lost(_, reason):
                self._say("lost", reason)

    def _say(self, kind: str, what: Any, cargo: Any = None) -> None:
        with self._heard:
            self._passing = None
            self._said.append((kind, what, cargo))
            self._heard.notify_all()


def node_name() -> str:
    """This node in few words: its host, and the first digits of its id in the cluster."""
    import ray

    return f"{platform.node()}/{ray.get_runtime_context().get_node_id()[:6]}"
