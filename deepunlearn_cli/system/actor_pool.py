"""A pool of actors on a Ray cluster, as its owner sees it: the same protocol as a pool of processes here.

Who dies is replaced, wherever the cluster has room. What workers need travels as references to Ray's objects,
which each node fetches once; what they made comes back with what they say, and is taken in before it is told.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.system import cluster as ray_cluster
from deepunlearn_cli.system.actors import Actor, Terms
from deepunlearn_cli.system.cluster import Cluster
from deepunlearn_cli.system.processes import GRACE, Setting
from deepunlearn_cli.system.protocol import Asked, Ended, Event, Lost, RemoteTraceback, Told, Work

BREATH = 1.0  # seconds after which an actor that has nothing urgent to say says what it has
CALLS = 100  # such calls a second, at most, however many actors there are
PULSE = 2.0  # seconds between looks at the head
MISSED = 4  # looks in a row that nobody answers before the cluster is taken for gone
NOTICE, PATIENCE = 15.0, 600.0  # seconds without any slot until that is said, and until it is given up
CALLED = 4  # calls that an actor answers at a time: `listen`, and what comes in between
KEPT = 64  # objects that stay at hand for nodes; more are put again when a node lacks them


class Spoilt(Exception):
    """What a worker sent is not what it sealed."""


class Baggage(Protocol):
    """The owner's side of what travels."""

    @property
    def terms(self) -> Terms:
        """What an actor is told."""

    def content(self, name: str) -> Any:
        """What is behind a name that a node lacks; None for nothing."""

    def receive(self, cargo: Any) -> None:
        """Take in what came with a message; raises `Spoilt`."""


@dataclass
class _Slot:
    actor: Any
    call: Any = None
    asked: bool = False
    calls: list[Any] = field(default_factory=list)


class ActorPool:
    """Up to `size` actors at a time.

    Args:
        tell: told in words what keeps the cluster from working.
    """

    lives, stillborn = 3, 10

    def __init__(
        self, cluster: Cluster, device: str, size: int, baggage: Baggage, tell: Callable[[str], None]
    ) -> None:
        self.size, self._cluster, self._baggage, self._tell = size, cluster, baggage, tell
        self._needs = cluster.resources(device)
        self._setting = _setting(cluster, device, size, self._needs)
        self._breath = max(BREATH, size / CALLS)
        self._slots: dict[int, _Slot] = {}
        self._owners: dict[Any, int] = {}  # worker by the call that it is answering
        self._objects: OrderedDict[str, Any] = OrderedDict()
        self._started, self._pulse = 0, _Pulse()
        self._since, self._noticed, self._heard = time.monotonic(), False, False

    def __enter__(self) -> ActorPool:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self, work: Work, *arguments: Any) -> int:
        """Ask for an actor that calls `work(link, *arguments)`; gives its number at once."""
        import ray

        options = {"num_cpus": self._needs["CPU"], "num_gpus": self._needs["GPU"]}
        kind = ray.remote(Actor)
        actor = kind.options(**options, max_concurrency=CALLED, scheduling_strategy="SPREAD").remote()
        self._started += 1
        self._slots[self._started] = slot = _Slot(actor)
        slot.calls = [
            actor.begin.remote(work, arguments, plugins.grants(), self._setting, self._baggage.terms)
        ]
        self._listen(self._started)
        return self._started

    def give(self, worker: int, item: Any) -> None:
        """The item that an idle worker asked for."""
        if worker in self._slots:
            self._slots[worker].actor.give.remote(item)

    def dismiss(self, worker: int) -> None:
        """There is no more to do."""
        if worker in self._slots:
            self._slots[worker].actor.dismiss.remote()

    def events(self) -> Iterator[Event]:
        """What the workers do, until none is left; raises what a worker's function raised.

        Raises:
            Failure: the cluster is gone, or has no room.
        """
        while self._slots:
            for call in self._answered():
                worker = self._owners.pop(call, None)
                if worker is not None:
                    yield from self._hear(worker, call)
            self._look()

    def run(self, work: Work, arguments: list[tuple[Any, ...]]) -> Iterator[Event]:
        """Start a worker for each tuple of arguments, and give their events."""
        for one in arguments:
            self.start(work, *one)
        yield from self.events()

    def stop(self) -> None:
        """End every worker that is left: asked first, killed if it does not come to an end."""
        import ray

        try:
            with suppress(Exception):
                calls = [slot.actor.stop.remote() for slot in self._slots.values() if slot.asked]
                if calls and self._pulse.beats:
                    ray.wait(calls, num_returns=len(calls), timeout=GRACE)
        finally:
            for worker in list(self._slots):
                self._drop(worker)
            self._objects.clear()

    def _answered(self) -> list[Any]:
        """Calls that were answered; none after a while."""
        import ray

        calls = list(self._owners)
        ready, _ = ray.wait(calls, num_returns=1, timeout=PULSE)
        if ready and len(calls) > 1:
            ready, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
        return list(ready)

    def _listen(self, worker: int) -> None:
        slot = self._slots[worker]
        slot.call = slot.actor.listen.remote(self._breath)
        self._owners[slot.call] = worker

    def _hear(self, worker: int, call: Any) -> Iterator[Event]:
        import ray
        from ray.exceptions import RayError

        try:
            said = ray.get(call)
        except RayError as error:
            self._drop(worker)
            yield _lost(worker, error)
            return
        self._heard = True
        self._listen(worker)
        for kind, what, cargo in said:
            if worker not in self._slots:
                return
            if event := self._event(worker, kind, what, cargo):
                yield event

    def _event(self, worker: int, kind: str, what: Any, cargo: Any) -> Event | None:
        if kind == "lacks":
            self._slots[worker].actor.bring.remote({name: self._object(name) for name in what})
            return None
        if kind == "asked":
            self._slots[worker].asked = True
            return Asked(worker)
        if kind == "told":
            return self._told(worker, what, cargo)
        self._drop(worker)
        if kind == "raised":
            error, text = what
            raise error from RemoteTraceback(text)
        return Ended(worker, what) if kind == "ended" else Lost(worker, what)

    def _told(self, worker: int, message: Any, cargo: Any) -> Event:
        if cargo is not None:
            try:
                self._baggage.receive(cargo)
            except Spoilt as spoilt:
                self._drop(worker)
                return Lost(worker, str(spoilt))
        return Told(worker, message)

    def _object(self, name: str) -> Any:
        """A reference to what is behind a name: put once, for whichever node lacks it."""
        import ray

        if name not in self._objects:
            content = self._baggage.content(name)
            if content is None:
                return None
            self._objects[name] = ray.put(content)
            while len(self._objects) > KEPT:
                self._objects.popitem(last=False)
        self._objects.move_to_end(name)
        return self._objects[name]

    def _drop(self, worker: int) -> None:
        import ray

        slot = self._slots.pop(worker)
        self._owners.pop(slot.call, None)
        with suppress(Exception):
            ray.kill(slot.actor)

    def _look(self) -> None:
        """See that the cluster is there, and has room.

        Raises:
            Failure: it is not, or has none.
        """
        self._pulse.feel()
        waited = 0.0 if self._heard else time.monotonic() - self._since
        if waited > NOTICE and not self._noticed:
            self._noticed = True
            self._tell(f"Ray has given no slot yet; each takes {_words(self._needs)}")
        if waited > PATIENCE:
            raise Failure(
                f"Ray gave no slot in {PATIENCE / 60:.0f} minutes; each takes {_words(self._needs)}",
                "`ray status` shows what is free; --gpu-share and --cpus-per-job say what a slot takes",
            )


class _Pulse:
    """Whether the head of the cluster answers."""

    def __init__(self) -> None:
        import ray

        host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
        self._address, self._next, self._missed = (host, int(port)), 0.0, 0

    @property
    def beats(self) -> bool:
        """Whether it did when last looked at."""
        return self._missed == 0

    def feel(self) -> None:
        """Look again, now and then.

        Raises:
            Failure: it was silent for too long.
        """
        if time.monotonic() < self._next:
            return
        self._missed = 0 if ray_cluster.is_there(self._address, PULSE) else self._missed + 1
        self._next = time.monotonic() + PULSE
        if self._missed >= MISSED:
            raise Failure(
                f"the Ray cluster is gone: nobody answers at {self._address[0]}:{self._address[1]}",
                "the same command goes on when it is back; --jobs 2 goes on here",
            )


def _setting(cluster: Cluster, device: str, size: int, needs: dict[str, float]) -> Setting:
    """In what company a worker is: on its card, or else on the fullest node."""
    if needs["GPU"]:
        return Setting(max(1, int(1 / needs["GPU"])), cluster.cpus)
    most = max(cluster.slots(device).values(), default=1)
    return Setting(max(1, min(size, most)), cluster.cpus)


def _lost(worker: int, error: Exception) -> Lost:
    """Why a worker does not answer.

    Raises:
        Failure: its node cannot run this tool at all.
    """
    text = " ".join(str(error).split())
    if "ModuleNotFoundError" in text and "deepunlearn_cli" in text:
        raise Failure(
            "a node of the Ray cluster has no deepunlearn", "pip install 'deepunlearn[ray]' on every node"
        )
    if "node" in text and "died" in text:
        return Lost(worker, "lost with its node", own=False)
    return Lost(worker, "killed, or lost its connection to Ray")


def _words(needs: dict[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in needs.items() if amount)
