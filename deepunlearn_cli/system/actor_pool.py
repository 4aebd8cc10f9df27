"""A pool of actors on a Ray cluster, as its owner sees it: the same protocol as a pool of processes here.

Who dies is replaced, wherever the cluster has room. What workers need travels as references to Ray's objects,
which each node fetches once; what they made comes back with what they say, and is taken in before it is told.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.system.actors import Actor, Terms, Words
from deepunlearn_cli.system.cluster import PULSE, Cluster, Pulse
from deepunlearn_cli.system.processes import GRACE, Setting
from deepunlearn_cli.system.protocol import Event, Lost, Pool, Told, Work, heard

BREATH = 1.0  # seconds after which an actor that has nothing urgent to say says what it has
CALLS = 100  # such calls a second, at most, however many actors there are
TAKERS = 8  # runs that are taken in at a time: most of that is waiting for the disk
SOON = 0.005  # seconds between looks at what is being taken in
NOTICE, PATIENCE = 15.0, 600.0  # seconds without any slot until that is said, and until it is given up
CALLED = 4  # calls that an actor answers at a time: `listen`, and what comes in between
# As Ray says it; of a worker that it killed, too, it says something about a node ("running low on memory").
NODE_GONE = re.compile(r"\bnode\b[^.]{0,24}\b(was (terminated|preempted)|died|is dead)\b")
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
    """An actor: the call that it is answering, what it said and nobody was told yet, what is taken in."""

    actor: Any
    call: Any = None
    asked: bool = False
    begun: Any = None
    said: deque[Words] = field(default_factory=deque)
    taking: Future[None] | None = None
    message: Any = None  # what is told once that is taken in


class ActorPool(Pool):
    """Up to `size` actors at a time.

    Args:
        tell: told in words what keeps the cluster from working.
    """

    lives, stillborn = 3, 10
    without = "--on here makes the runs on this machine"

    def __init__(
        self, cluster: Cluster, device: str, size: int, baggage: Baggage, tell: Callable[[str], None]
    ) -> None:
        self._cluster, self._baggage, self._tell = cluster, baggage, tell
        self._needs = cluster.resources(device)
        self._setting = _setting(cluster, device, size, self._needs)
        self._breath = max(BREATH, size / CALLS)
        self._slots: dict[int, _Slot] = {}
        self._owners: dict[Any, int] = {}  # worker by the call that it is answering
        self._objects: OrderedDict[str, Any] = OrderedDict()
        self._takers = ThreadPoolExecutor(TAKERS)
        self._started, self._pulse = 0, Pulse()
        self._since, self._noticed, self._heard = time.monotonic(), False, False

    def start(self, work: Work, *arguments: Any) -> int:
        """Ask for an actor that calls `work(link, *arguments)`; gives its number at once."""
        import ray

        options = {"num_cpus": self._needs["CPU"], "num_gpus": self._needs["GPU"]}
        kind = ray.remote(Actor)
        actor = kind.options(**options, max_concurrency=CALLED, scheduling_strategy="SPREAD").remote()
        self._started += 1
        self._slots[self._started] = slot = _Slot(actor)
        slot.begun = actor.begin.remote(work, arguments, plugins.grants(), self._setting, self._baggage.terms)
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
                    self._hear(worker, call)
            for worker in list(self._slots):
                yield from self._passed_on(worker)
            self._look()

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
            self._takers.shutdown(cancel_futures=True)

    def _answered(self) -> list[Any]:
        """Calls that were answered; none after a while."""
        import ray

        calls = list(self._owners)
        if not calls:
            time.sleep(SOON)
            return []
        taking = any(slot.taking for slot in self._slots.values())
        ready, _ = ray.wait(calls, num_returns=1, timeout=SOON if taking else PULSE)
        if ready and len(calls) > 1:
            ready, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
        return list(ready)

    def _listen(self, worker: int) -> None:
        slot = self._slots[worker]
        slot.call = slot.actor.listen.remote(self._breath)
        self._owners[slot.call] = worker

    def _hear(self, worker: int, call: Any) -> None:
        import ray
        from ray.exceptions import RayError

        slot = self._slots[worker]
        try:
            said = ray.get(call)
        except RayError as error:
            slot.call = None
            slot.said.append(("lost", _lost(worker, error), None))
            return
        self._heard = True
        slot.said.extend(said)
        self._listen(worker)

    def _passed_on(self, worker: int) -> Iterator[Event]:
        """What a worker said, in order; what came with it is taken in before it is told."""
        slot = self._slots[worker]
        if slot.taking:
            if not slot.taking.done():
                return
            yield self._taken(worker, slot)
        while slot.said and slot.taking is None and worker in self._slots:
            kind, what, cargo = slot.said.popleft()
            if cargo is not None:
                slot.taking, slot.message = self._takers.submit(self._baggage.receive, cargo), what
            elif event := self._event(worker, kind, what):
                yield event

    def _taken(self, worker: int, slot: _Slot) -> Event:
        taking, slot.taking = slot.taking, None
        assert taking
        try:
            taking.result()
        except Spoilt as spoilt:
            self._drop(worker)
            return Lost(worker, str(spoilt))
        return Told(worker, slot.message)

    def _event(self, worker: int, kind: str, what: Any) -> Event | None:
        if kind == "lacks":
            self._slots[worker].actor.bring.remote({name: self._object(name) for name in what})
            return None
        self._slots[worker].asked |= kind == "asked"
        if kind not in ("asked", "told"):
            self._drop(worker)
        return what if isinstance(what, Lost) else heard(worker, kind, what)

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
    if NODE_GONE.search(text):
        return Lost(worker, "lost with its node", own=False)
    return Lost(worker, "killed, or lost its connection to Ray")


def _words(needs: dict[str, float]) -> str:
    return " and ".join(f"{amount:g} {name}" for name, amount in needs.items() if amount)
