"""Worker processes: fed, heard, divided threads, and gone when they or their owner die. No torch in here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.system import machine
from deepunlearn_cli.system.processes import ProcessPool
from deepunlearn_cli.system.protocol import Asked, Ended, Link, Lost, RemoteTraceback, Told


def double(link: Link, base: int) -> int:
    count = 0
    for item in link.items():
        link.tell((item, base + 2 * item))
        count += 1
    return count


def look(link: Link) -> dict[str, object]:
    heavy = [name for name in ("torch", "numpy") if name in sys.modules]
    variables = {name: os.environ.get(name) for name in machine.THREAD_VARIABLES}
    return {"workers": link.workers, "heavy": heavy, **variables}


def fail(link: Link) -> None:
    raise UsageFailure("no such thing", "try another")


class Odd(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def fail_oddly(link: Link) -> None:
    raise Odd("cannot", "travel")


def die(link: Link) -> None:
    for item in link.items():
        os.kill(os.getpid(), item)


def guard(link: Link, place: str, seconds: float = 60) -> None:
    """Holds a file as the store's makers hold their folders."""
    mine = Path(place) / str(os.getpid())
    mine.touch()
    try:
        link.tell("at work")
        time.sleep(seconds)
    finally:
        mine.unlink()


def test_every_item_is_done_once_by_whoever_is_free() -> None:
    todo, heard, ended = list(range(20)), [], []
    with ProcessPool(2) as pool:
        for event in pool.run(double, [(100,), (100,)]):
            match event:
                case Asked(worker):
                    pool.give(worker, todo.pop(0)) if todo else pool.dismiss(worker)
                case Told(_, message):
                    heard.append(message)
                case Ended(_, result):
                    ended.append(result)
    assert sorted(heard) == [(item, 100 + 2 * item) for item in range(20)]
    assert sum(ended) == 20
    assert len(ended) == 2


def test_threads_are_divided_before_anything_is_imported(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(machine, "cores", lambda: 7)
    with ProcessPool(2) as pool:
        (event,) = pool.run(look, [()])
    assert isinstance(event, Ended)
    assert event.result == {"workers": 2, "heavy": [], **dict.fromkeys(machine.THREAD_VARIABLES, "3")}
    assert "OMP_NUM_THREADS" not in os.environ


def test_what_a_worker_raises_its_owner_raises() -> None:
    with pytest.raises(UsageFailure, match="no such thing") as caught, ProcessPool(2) as pool:
        list(pool.run(fail, [()]))
    assert caught.value.hint == "try another"
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in fail" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="Odd: cannot travel"), ProcessPool(2) as pool:
        list(pool.run(fail_oddly, [()]))


@pytest.mark.parametrize(
    ("number", "says"), [(signal.SIGKILL, "memory"), (signal.SIGSEGV, "SIGSEGV"), (signal.SIGTERM, "143")]
)
def test_a_dead_worker_is_lost_and_the_others_go_on(number, says) -> None:
    with ProcessPool(2) as pool:
        doomed, other = pool.start(die), pool.start(double, 0)
        lost, told = [], []
        for event in pool.events():
            match event:
                case Asked(worker) if worker == doomed:
                    pool.give(worker, number)
                case Asked(worker):
                    pool.give(worker, 1) if not (told and lost) else pool.dismiss(worker)
                case Told(_, message):
                    told.append(message)
                case Lost(worker, reason):
                    lost.append((worker, reason))
                case Ended(worker, _):
                    assert worker == other
    assert [worker for worker, _ in lost] == [doomed]
    assert says in lost[0][1]


def test_leaving_ends_the_workers_and_lets_them_clean_up(tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt), ProcessPool(2) as pool:
        ready = 0
        for event in pool.run(guard, [(str(tmp_path),), (str(tmp_path),)]):
            ready += isinstance(event, Told)
            if ready == 2:
                pids = [int(path.name) for path in tmp_path.iterdir()]
                raise KeyboardInterrupt
    assert len(pids) == 2
    assert not list(tmp_path.iterdir())
    assert not any(alive(pid) for pid in pids)


OWNER = """
import sys, test_processes
from deepunlearn_cli.system.processes import ProcessPool
if __name__ == "__main__":
    with ProcessPool(2) as pool:
        for event in pool.run(test_processes.guard, [(sys.argv[1],), (sys.argv[1],)]):
            print(event, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_do_not_outlive_their_owner(tmp_path, number) -> None:
    """The signal goes to the whole group, as a terminal sends Ctrl-C, but for SIGKILL: to the owner alone."""
    script, place = tmp_path / "owner.py", tmp_path / "place"
    place.mkdir()
    script.write_text(OWNER)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, str(script), str(place)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as owner:
        assert owner.stdout
        assert owner.stderr
        for _ in range(2):
            assert b"at work" in owner.stdout.readline()
        pids = [int(path.name) for path in place.iterdir()]
        assert len(pids) == 2
        (os.kill if number == signal.SIGKILL else os.killpg)(owner.pid, number)
        owner.wait(120)
        said = owner.stderr.read().decode()  # ends when the last of the family has closed it
    until_gone(pids)
    assert not list(place.iterdir()), "a worker left something behind"
    assert "Process Spawn" not in said, said


def alive(pid: int) -> bool:
    """Whether a process still runs; what nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < end, "a worker outlived its owner"
        time.sleep(0.02)
