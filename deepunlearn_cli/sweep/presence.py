"""Who is alive: a worker on this machine holds a lock that dies with it, one elsewhere must be heard."""

from __future__ import annotations

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from deepunlearn_cli.system.locks import hold, is_free

if TYPE_CHECKING:
    from optuna.trial import Trial

LOCKS = ".worker-*.lock"
BEAT_SECONDS = 15.0
DEAD_SECONDS = 60.0  # without a beat, by the clock of who listens: clocks of two machines need not agree
CLAIM_SECONDS = 10.0  # a live worker puts its name to a trial within milliseconds


class Claim(TypedDict):
    """Who works on a trial: a machine since its last start, locks there (None: no locks), and a name.

    Attributes:
        lock: the command's own.
    """

    host: str
    lock: str | None
    id: str


class Presence:
    """A worker's name, for the trials that it claims."""

    def __init__(self, lock: Path | None) -> None:
        self.claim: Claim = {
            "host": _host(),
            "lock": str(lock) if lock else None,
            "id": uuid.uuid4().hex,
        }

    @contextmanager
    def beating(self, trial: Trial) -> Iterator[None]:
        """Let other machines know that the trial is being worked on."""
        stop = threading.Event()
        heart = threading.Thread(target=_beat, args=(trial, stop), daemon=True)
        heart.start()
        try:
            yield
        finally:
            stop.set()
            heart.join()


@contextmanager
def present(folder: Path, studies: Iterable[str] = ()) -> Iterator[Presence]:
    """Be a worker that others on this machine can see die; its lock is in `folder`.

    Args:
        studies: keys of those that it works on, which the lock tells (`living`).
    """
    for other in folder.glob(LOCKS):
        if is_free(other):
            other.unlink(missing_ok=True)
    path = folder.absolute() / f".worker-{uuid.uuid4().hex}.lock"
    with hold(path) as locked:
        path.write_text("\n".join(studies), "utf-8")
        yield Presence(path if locked else None)


def living(folder: Path) -> dict[str, Path]:
    """Studies that somebody works on now, by key, each with the lock of one who does."""
    found: dict[str, Path] = {}
    for lock in sorted(folder.glob(LOCKS)):
        with suppress(FileNotFoundError):
            studies = lock.read_text("utf-8").split()
            found |= dict.fromkeys(studies, lock) if studies and not is_free(lock) else {}
    return found


def may_live(worker: Claim | None) -> bool:
    """Whether the worker of a running trial may be alive: of one elsewhere nobody can tell at once."""
    lock = _lock_here(worker)
    return not is_free(lock) if lock else worker is not None


class Watch:
    """What was last heard of each running trial, and when."""

    def __init__(self) -> None:
        self._heard: dict[int, tuple[tuple[str | None, int | None], float]] = {}
        self._alive: set[int] = set()  # trials that gave a sign of life

    def is_dead(self, number: int, worker: Claim | None, beat: int | None) -> bool:
        """Whether the worker of a running trial is certainly, or after a minute's silence probably, dead."""
        if lock := _lock_here(worker):
            return is_free(lock)
        sign = (worker["id"] if worker else None, beat)
        last, since = self._heard.setdefault(number, (sign, time.monotonic()))
        if sign != last:
            self._heard[number] = sign, time.monotonic()
            self._alive.add(number)
            return False
        return time.monotonic() - since > (DEAD_SECONDS if worker else CLAIM_SECONDS)

    def in_doubt(self, number: int, worker: Claim | None) -> bool:
        """Whether the worker of a trial that is not dead has yet to give a sign of life."""
        return _lock_here(worker) is None and number not in self._alive


def _lock_here(worker: Claim | None) -> Path | None:
    """The lock of a worker on this machine: whether it is held says for certain if the worker lives."""
    return Path(worker["lock"]) if worker and worker["host"] == _host() and worker["lock"] else None


def _host() -> str:
    """This machine since its last start (a container is a machine of its own)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{platform.node()}/{boot}/{os.getuid() if hasattr(os, 'getuid') else 0}"


def _beat(trial: Trial, stop: threading.Event) -> None:
    count = 0
    while not stop.wait(BEAT_SECONDS):
        count += 1
        try:
            trial.set_user_attr("beat", count)
        except Exception:  # noqa: BLE001 - a lost connection or trial is the main thread's to find out
            return
