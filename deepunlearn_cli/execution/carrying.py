"""What travels between the store of a command and the nodes that work for it.

To a node: decoded data, forget sets and the runs that something is made of, each once, under names such as
`data/SHA256` and `run/ID`. Back: sealed runs with their manifests, each checked byte for byte before the
store takes it. On a node that sees the store itself nothing is carried.

A node without has a store of its own for as long as a command works there: what is removed from the command's
store so is on no node, and no node answers with a run that was made earlier.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli import __version__, data
from deepunlearn_cli.core.errors import StoreCorrupt, UsageFailure
from deepunlearn_cli.core.recipe import Recipe, canonical
from deepunlearn_cli.execution.pool import work
from deepunlearn_cli.store import Store, arriving, manifest, marker
from deepunlearn_cli.store.run import Run
from deepunlearn_cli.system.actor_pool import Spoilt
from deepunlearn_cli.system.actors import node_name
from deepunlearn_cli.system.locks import hold, is_free
from deepunlearn_cli.system.protocol import Link, Work
from deepunlearn_cli.system.rights import make_folder

PLACE = "DEEPUNLEARN_NODE_STORE"  # on a node: where its stores are, one for each command; then none is shared
DATA, RUN = "data/", "run/"
Files = Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True)
class Origin:
    """The store of a command, for who works for it elsewhere.

    Attributes:
        path: where it lies for the command.
        id: of the store, which its marker says.
        command: a name for this command alone; a lock in the store has it too, so that a copy of the store
            at the same path of another machine is not taken for the store itself.
        version: of the tool.
    """

    path: str
    id: str
    command: str = field(default_factory=lambda: uuid4().hex)
    version: str = __version__

    @property
    def lock(self) -> Path:
        """What is in the store as long as the command is."""
        return Path(self.path) / f".command-{self.command}.lock"

    def is_seen(self) -> bool:
        """Whether this machine sees the store itself."""
        return marker.is_same(Path(self.path), self.id) and self.lock.exists()

    def porter(self) -> NodePorter:
        """The one of the node that this is called on.

        Raises:
            UsageFailure: another version of the tool is installed there.
        """
        if self.version != __version__:
            raise UsageFailure(
                f"node {node_name()} has deepunlearn {__version__}, and this is {self.version}",
                f"pip install 'deepunlearn[ray]=={self.version}' on every node",
            )
        return NodePorter(self)


class Carrier:
    """The command's side; a context manager around all that is carried."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.terms = Origin(str(store.root.absolute()), marker.id_of(store.root))
        self._held = ExitStack()

    def __enter__(self) -> Carrier:
        for lock in self._store.root.glob(".command-*.lock"):
            if is_free(lock):  # of a command that was killed
                lock.unlink(missing_ok=True)
        self._held.enter_context(hold(self.terms.lock))
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def content(self, name: str) -> Files | None:
        """What is behind a name; None for nothing."""
        if name.startswith(DATA):
            return data.packed(name.removeprefix(DATA), self._store.data)
        return files_of(self._store, name.removeprefix(RUN))

    def receive(self, cargo: tuple[str, Files]) -> None:
        """Take a sealed run into the store.

        Raises:
            Spoilt: it is not what its manifest says.
        """
        key, files = cargo
        if _is_whole(self._store, key):
            return
        if problems := self._store.adopt(key, partial(self._write, files, key)):
            raise Spoilt(f"refused: {problems[0]}")

    def _write(self, files: Files, key: str, folder: Path) -> None:
        """Write a run; one without all its files makes way for it if it is sound."""
        write(files, folder)
        if self._store.has(key) and not any(manifest.problems(folder)):
            arriving.make_way(key, self._store)


class NodePorter:
    """A node's side.

    Attributes:
        store: the command's own where the node sees it, else one of the node's.
    """

    def __init__(self, origin: Origin) -> None:
        self.shared = PLACE not in os.environ and origin.is_seen()
        self.store = Store(Path(origin.path) if self.shared else place_of(origin.command))
        self._asked: set[str] = set()  # what the command was asked for and may not have
        self._hand = ""

    def employ(self, work: Work, arguments: tuple[Any, ...]) -> tuple[Work, tuple[Any, ...]]:
        """The work of a pool, in this node's store."""
        if self.shared:
            return work, arguments
        return work_apart, (str(self.store.root), *arguments[1:])

    def lacking(self, item: Mapping[str, Any]) -> list[str]:
        """Names of what a recipe needs that is not here."""
        recipe = Recipe.from_json(item)
        self._hand = recipe.key
        if self.shared:
            return []
        digests = [one for one in data.named_in(canonical(dict(item))) if self._is_lacking(one)]
        runs = [one.key for one in recipe.inputs.values() if not _is_whole(self.store, one.key)]
        return [*(DATA + one for one in digests), *(RUN + one for one in runs)]

    def bring(self, name: str, content: Files | None) -> None:
        """Take in what was lacking.

        Raises:
            StoreCorrupt: it is not what was sent.
        """
        if name.startswith(DATA):
            self._asked.add(name.removeprefix(DATA))
        if content is None:
            return
        if name.startswith(DATA):
            data.unpack(name.removeprefix(DATA), content, self.store.data)
        elif problems := self.store.adopt(name.removeprefix(RUN), partial(write, content)):
            raise StoreCorrupt(str(problems[0]))

    def cargo(self, message: tuple[Any, ...]) -> tuple[str, Files] | None:
        """The run in hand, once there is something to say of its end."""
        if self.shared or message[0] not in ("ended", "failed"):
            return None
        files = files_of(self.store, self._hand)
        return None if files is None else (self._hand, files)

    def passing(self, message: tuple[Any, ...]) -> bool:
        """Whether it only says how far a run is."""
        return bool(message[0] == "progress")

    def _is_lacking(self, sha256: str) -> bool:
        return sha256 not in self._asked and not data.is_here(sha256, self.store.data)


def work_apart(link: Link, store: str, device: str) -> None:
    """A worker in a store of its node's own."""
    with joined(Path(store)):
        work(link, store, device)


def place_of(command: str) -> Path:
    """Where a node keeps the store of a command."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    base = os.environ.get(PLACE) or str(Path(tempfile.gettempdir()) / f"deepunlearn-node-{user}")
    return Path(base) / command / node_name().rpartition("/")[2]


@contextmanager
def joined(root: Path) -> Iterator[None]:
    """Be one of those who work in a node's store, which is gone with the last of them.

    Stores of commands that nobody works for any more, since all were killed, go too.
    """
    place = root.parent
    door = place.parent / ".door"
    mine = place / f".worker-{os.getpid()}.lock"
    with ExitStack() as guard:
        with hold(door):
            _sweep(place.parent)
            make_folder(place)
            Store.open(root, create=True)
            guard.enter_context(hold(mine))
        try:
            yield
        finally:
            with hold(door):
                guard.close()
                _sweep(place.parent)


def _sweep(base: Path) -> None:
    for place in base.iterdir():
        if place.is_dir() and all(map(is_free, place.glob(".worker-*.lock"))):
            shutil.rmtree(place, ignore_errors=True)


def files_of(store: Store, key: str) -> Files | None:
    """Every file of a run, its manifest too; None if it is not there."""
    place = store.place(key)
    with suppress(FileNotFoundError):
        return {path.name: np.fromfile(path, np.uint8) for path in sorted(place.iterdir())}
    return None


def write(files: Files, folder: Path) -> None:
    """Write a run's files into a folder that is made for it."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        if Path(name).name != name:
            raise OSError(f"{name!r} is no name of a run's file")
        content.tofile(folder / name)


def _is_whole(store: Store, key: str) -> bool:
    return store.has(key) and Run(key, store.place(key)).whole
