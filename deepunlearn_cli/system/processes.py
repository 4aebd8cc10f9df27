"""Worker processes on this machine: they share its threads, report to their owner, and never outlive it.

Workers start from nothing (`spawn`): they inherit no torch, no CUDA context, no thread pool.

Each worker has a pipe of its own, so that one killed in the middle of a word blocks nobody, and each end
sees at once that the other is gone. What reaches a whole terminal (Ctrl-C, its end) finds workers deaf.
"""

from __future__ import annotations

import os
import pickle
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, resource_tracker
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core import plugins
from deepunlearn_cli.system import machine, streams
from deepunlearn_cli.system.protocol import Event, Pool, Work, heard
from deepunlearn_cli.system.stopping import Stopped

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

GRACE = 10.0  # seconds between the request to stop and the kill; removing a half-written run takes far less
STOPPED = 128 + signal.SIGTERM

Grants = list[plugins.Grant]


@dataclass(frozen=True)
class Setting:
    """What a worker is told of where it works.

    Attributes:
        workers: how many share the machine, or its card.
        threads: for each of them.
        node: the machine's name in its cluster; empty on the owner's own.
    """

    workers: int
    threads: int
    node: str = ""


class PipeLink:
    """A worker's link through a pipe."""

    def __init__(self, setting: Setting, line: Connection, inbox: SimpleQueue[tuple[str, Any]]) -> None:
        self.workers, self.node = setting.workers, setting.node
        self._line, self._inbox = line, inbox

    def tell(self, message: Any) -> None:
        """Send a message to the owner."""
        self._line.send(("told", message))

    def items(self) -> Iterator[Any]:
        """Ask for one item at a time until dismissed."""
        while True:
            self._line.send(("asked", None))
            kind, item = self._inbox.get()
            if kind == "dismissed":
                return
            yield item


class ProcessPool(Pool):
    """Up to `size` worker processes at a time, each with its share of the machine's threads.

    Args:
        setting: of workers that share the machine with others than those of this pool.
    """

    lives, stillborn = 1, 4
    without = "--jobs 1 does without them"

    def __init__(self, size: int, setting: Setting | None = None) -> None:
        self.setting = setting or Setting(size, machine.share(size))
        self._workers: dict[int, tuple[SpawnProcess, Connection]] = {}
        self._started = 0

    def start(self, work: Work, *arguments: Any) -> int:
        """Start a process that calls `work(link, *arguments)`; gives its number."""
        variables = dict.fromkeys(machine.THREAD_VARIABLES, str(self.setting.threads))
        mine, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(
            target=_serve, args=(theirs, self.setting, plugins.grants(), work, arguments), daemon=True
        )
        with _environment(variables), _deaf_to_terminals():
            process.start()
        theirs.close()
        self._started += 1
        self._workers[self._started] = process, mine
        return self._started

    def give(self, worker: int, item: Any) -> None:
        """The item that an idle worker asked for."""
        self._send(worker, ("item", item))

    def dismiss(self, worker: int) -> None:
        """There is no more to do."""
        self._send(worker, ("dismissed", None))

    def events(self) -> Iterator[Event]:
        """What the workers do, until none is left; raises what a worker's function raised."""
        while self._workers:
            doors = [door for process, line in self._workers.values() for door in (line, process.sentinel)]
            ready = set(connection.wait(doors))
            for worker, (process, line) in list(self._workers.items()):
                if line in ready or process.sentinel in ready:
                    yield self._hear(worker)

    def pid(self, worker: int) -> int | None:
        """Process id of a worker that is still there."""
        return self._workers[worker][0].pid

    def stop(self) -> None:
        """End every worker that is left: asked first, killed if it does not come to an end."""
        try:
            for process, _ in self._workers.values():
                process.terminate()
            end = time.monotonic() + GRACE
            for process, _ in self._workers.values():
                process.join(max(0.0, end - time.monotonic()))
        finally:  # out of patience, or a second Ctrl-C
            for process, line in self._workers.values():
                process.kill()
                process.join()
                line.close()
            self._workers.clear()

    def _send(self, worker: int, words: tuple[str, Any]) -> None:
        with suppress(OSError):
            self._workers[worker][1].send(words)

    def _hear(self, worker: int) -> Event:
        """The next word of a worker that has one, or has died."""
        _, line = self._workers[worker]
        try:
            kind, what = line.recv() if line.poll() else ("lost", None)
        except (EOFError, OSError):  # nobody at the other end, perhaps in the middle of a word
            kind, what = "lost", None
        if kind not in ("asked", "told"):
            code = self._left(worker)
            what = _reason(code) if kind == "lost" else what
        return heard(worker, kind, what)

    def _left(self, worker: int) -> int | None:
        """See a worker out; its exit code."""
        process, line = self._workers.pop(worker)
        line.close()
        process.join(GRACE)
        if process.exitcode is None:  # it said its last word and hangs in a library's clean-up
            process.kill()
            process.join()
        return process.exitcode


def _reason(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "killed (by the system, if memory ran out)"
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _serve(
    line: Connection, setting: Setting, granted: Grants, work: Work, arguments: tuple[Any, ...]
) -> None:
    """The main function of a worker process, which may load the plug-ins that its owner was told of."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plugins.grant(granted)
    machine.collect_rarely()
    streams.settle()
    signal.signal(signal.SIGTERM, _on_terminate)
    inbox: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    Thread(target=_listen, args=(line, inbox), daemon=True).start()
    try:
        last = _last_word(work, PipeLink(setting, line, inbox), arguments)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the owner hangs up when it has heard the last word
    except Stopped:  # while it packs what went wrong, too
        machine.leave(STOPPED)
    with suppress(OSError):
        line.send(last)
    machine.leave(0)


def _last_word(work: Work, link: PipeLink, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "ended", work(link, *arguments)
    except Exception as error:  # noqa: BLE001 - the owner raises it
        return "raised", (portable(error), traceback.format_exc())


def _listen(line: Connection, inbox: SimpleQueue[tuple[str, Any]]) -> None:
    """Take in what the owner gives; when it is gone, by `kill -9` too, end this process."""
    try:
        while True:
            inbox.put(line.recv())
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os._exit(STOPPED)


def _on_terminate(number: int, frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the clean-up
    raise Stopped(number)


def portable(error: Exception) -> Exception:
    """The exception itself if it survives the journey, else its text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - any class may fail to be pickled in any way
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables for a process started inside: libraries read them when they are loaded."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _deaf_to_terminals() -> Iterator[None]:
    """A process started inside never hears Ctrl-C and hang-ups, not even while it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()  # it would lift the mask of Ctrl-C when it is started below
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
