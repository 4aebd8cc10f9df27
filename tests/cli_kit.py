"""What the tests of the command line share: calls in this process, in processes of their own, on terminals."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import fitting_kit  # noqa: F401 - it looks at every table that is printed
import numpy as np
import torch
import typer
from typer.testing import CliRunner

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.shelf import COMMANDS as SHELVED

HEAVY = ("torch", "torchvision", "timm", "optuna", "sklearn", "pandas", "ray")


def commands(group: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command and group of the application with the words that call it, the application itself first."""
    group = group or typer.main.get_command(app)
    yield words, group
    for name, below in getattr(group, "commands", {}).items():
        yield from commands(below, (*words, name))


COMMANDS = tuple(" ".join(words) for words, _ in commands() if words)
TRAIN = ("train", "--dataset", "digits", "--model", "resnet-tiny", "-p", "epochs=1")
LONG = (*TRAIN[:-1], "epochs=5000")  # for who wants to interrupt it

# Children are forked from a server that has the libraries but no threads: a process costs 50 ms, not 5 s.
SERVED = multiprocessing.get_context("forkserver")
SERVED.set_forkserver_preload(
    [
        *(f"deepunlearn_cli.cli.{file}" for shelved in SHELVED.values() for file in shelved.files),
        "deepunlearn_cli.execution.materials",
        "torchvision",
        "sklearn.linear_model",
        "cli_kit",
    ]
)


@dataclass(frozen=True)
class Said:
    """What a call gave back."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line, parse_constant=_not_json) for line in self.lines]


def _not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def clean_environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DEEPUNLEARN_", "_DEEPUNLEARN"))}
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        kept.pop(name, None)
    return kept | {"OMP_NUM_THREADS": "1", "TERM": "xterm"} | changes


def python(code: str, *, cwd: Path | None = None, **environment: str) -> str:
    """What a Python process of its own prints; it must succeed, and complain of nothing."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def call(*words: object, input: str | None = None, env: Mapping[str, str] | None = None) -> Said:
    """`deepunlearn WORDS...` in this process, on one thread, without a terminal."""
    threads, handler = torch.get_num_threads(), signal.getsignal(signal.SIGTERM)
    torch.set_num_threads(1)
    try:
        result = CliRunner().invoke(app, [str(word) for word in words], input=input, env=env)
    finally:
        torch.set_num_threads(threads)
        signal.signal(signal.SIGTERM, handler)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def ok(*words: object, **settings: Any) -> Said:
    """`call`, which must end with 0."""
    said = call(*words, **settings)
    assert said.code == 0, (words, said)
    return said


def refused(*words: object, code: int, says: tuple[str, ...] = (), **settings: Any) -> str:
    """`call`, which must fail with `code` in one error line and one hint line; gives the two lines."""
    said = call(*words, **settings)
    assert said.code == code, (words, said)
    assert said.out == "", said.out
    errors = said.err.splitlines()
    assert [line.split(":")[0] for line in errors[-2:]] == ["error", "hint"], said.err
    assert not any(line.startswith(("error", "hint", "Traceback")) for line in errors[:-2]), said.err
    for text in says:
        assert text in said.err, (text, said.err)
    return said.err


class Child:
    """A `deepunlearn` process of its own; its streams are files, or what is given."""

    def __init__(
        self, *words: object, cwd: Path, work: Callable[[], None] | None = None, **streams: str
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=cwd, prefix=".child-"))
        names = {"stdin": os.devnull, **{n: str(self._folder / n) for n in ("stdout", "stderr")}} | streams
        self._names, self._started = names, time.time()
        words = tuple(str(word) for word in words)
        self.process = SERVED.Process(
            target=_become, args=(words, str(cwd), clean_environment(), names, work)
        )
        self.process.start()

    def send(self, number: int) -> None:
        assert self.process.pid
        os.kill(self.process.pid, number)

    def wait(self, seconds: float = 120) -> Said:
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s: {self._said()}")
        return self._said()

    def _said(self) -> Said:
        code = self.process.exitcode
        return Said(-1 if code is None else code, self.text("stdout"), self.text("stderr"))

    def text(self, stream: str) -> str:
        file = Path(self._names[stream])
        return file.read_text() if file.is_file() else ""


def _become(
    words: tuple[str, ...],
    cwd: str,
    env: dict[str, str],
    names: dict[str, str],
    work: Callable[[], None] | None,
) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        flags = os.O_RDONLY if mode == "r" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        os.dup2(os.open(names[name], flags | os.O_NOCTTY), number)
        setattr(sys, name, open(number, mode, buffering=1 if number == 2 else -1, closefd=False))
    torch.set_num_threads(1)
    atexit._clear()  # what is to happen at the end of the tests
    if work:
        work()
    from deepunlearn_cli.__main__ import main

    sys.argv = ["deepunlearn", *words]
    main()


def on_terminal(
    *words: object, cwd: Path, width: int = 100, both: bool = True, term: str = "xterm-256color"
) -> tuple[int, str, str]:
    """A call with stdout (and with `both` stderr) on terminals of their own: code and what each was sent."""
    import fcntl
    import struct
    import termios

    pairs = [pty.openpty() for _ in range(2 if both else 1)]
    for _, slave in pairs:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    names = dict(zip(("stdout", "stderr"), (os.ttyname(slave) for _, slave in pairs), strict=False))
    got = [bytearray() for _ in pairs]
    readers = [
        threading.Thread(target=_drain, args=(pair[0], into)) for pair, into in zip(pairs, got, strict=True)
    ]
    for reader in readers:
        reader.start()
    child = Child(*words, cwd=cwd, work=partial(_on, term), **names)
    said = child.wait()
    for _, slave in pairs:
        os.close(slave)
    for reader in readers:
        reader.join(10)
    texts = [bytes(one).decode() for one in got]
    return said.code, texts[0], texts[1] if both else said.err


def _on(term: str) -> None:
    os.environ["TERM"] = term


def _drain(master: int, into: bytearray) -> None:
    while True:
        select.select([master], [], [], 1)
        try:
            into += (piece := os.read(master, 65536))
        except OSError:  # every slave is closed
            break
        if not piece:
            break
    os.close(master)


@cache
def base() -> tuple[Path, dict[str, str]]:
    """A store with one original, two unlearned models and their attacks, made once; and ids by name."""
    place = Path(tempfile.mkdtemp(prefix="deepunlearn-tests-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    store = ("--store", place / "store", "-q")
    (original,) = ok(*TRAIN, "--out", place / "orig.pt", *store).lines
    ft, ga = ok("unlearn", "--method", "ft,ga", "--ckpt", original, "-p", "epochs=1", *store).lines
    attacks = ok("attack", "umia", ft, ga, *store).lines
    return place, {"original": original, "ft": ft, "ga": ga, "umia": attacks[0]}


@dataclass(frozen=True)
class Bench:
    """A store of a test's own, with what `base` made in it."""

    home: Path
    ids: dict[str, str]

    @property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def orig(self) -> Path:
        return self.home / "orig.pt"

    def __call__(self, *words: object, **settings: Any) -> Said:
        return call(*words, "--store", self.store, **settings)

    def ok(self, *words: object, **settings: Any) -> Said:
        return ok(*words, "--store", self.store, **settings)

    def refused(self, *words: object, **settings: Any) -> str:
        """`refused`, with nothing written."""
        before = files(self.store)
        lines = refused(*words, "--store", self.store, **settings)
        assert files(self.store) == before
        return lines

    def runs(self, **filters: str) -> list[dict[str, Any]]:
        words = [word for name, value in filters.items() for word in (f"--{name}", value)]
        return self.ok("runs", *words, "--json").json

    def clean(self) -> bool:
        return self("verify").code == 0


def bench(folder: Path) -> Bench:
    """A copy of `base` in `folder`."""
    place, ids = base()
    shutil.copytree(place, folder, dirs_exist_ok=True)
    return Bench(folder, ids)


def files(store: Path) -> list[str]:
    """Every file of a store but its index (readers may refresh that)."""
    found = (path.relative_to(store) for path in store.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not path.name.startswith("index.sqlite"))


def small_npz(path: Path, count: int = 200, classes: int = 4) -> str:
    """A dataset of squares in four corners, quickly learnt; gives its spec."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, size in (("train", count), ("test", count // 2)):
        labels = np.arange(size) % classes
        pictures = rng.integers(0, 60, (size, 8, 8), dtype=np.uint8)
        for picture, label in zip(pictures, labels, strict=True):
            picture[4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 150
        arrays |= {f"x_{part}": pictures, f"y_{part}": labels.astype(np.int64)}
    np.savez(path, **arrays)
    return f"npz:{path}"


def until(condition: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


@contextmanager
def running(*words: object, cwd: Path, **streams: str) -> Iterator[Child]:
    child = Child(*words, cwd=cwd, **streams)
    try:
        yield child
    finally:
        child.process.kill()
        child.process.join()
