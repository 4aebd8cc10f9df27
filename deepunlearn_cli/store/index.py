"""The index: every run's row at hand at 100,000 runs, derived from the manifests.

Nothing here is worth keeping. A reader believes a shard's rows only while the shard's folder still has the
modification time they were read at, and reads the folder again otherwise; so a deleted, torn, foreign or
outdated file costs time and never gives a wrong row. Every write to it may fail without harm.
"""

from __future__ import annotations

import gc
import hashlib
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.facts import FACTS
from deepunlearn_cli.core.recipe import FORGOTTEN, Recipe, canonical
from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.store import manifest, packed
from deepunlearn_cli.store.asked import chosen_by
from deepunlearn_cli.store.packed import Runs
from deepunlearn_cli.store.run import plain
from deepunlearn_cli.system.rights import follow

RUN_ID = re.compile(r"[0-9a-f]{16}")
SHARD = re.compile(r"[0-9a-f]{2}")
TABLE = "CREATE TABLE shards (name TEXT PRIMARY KEY, mtime INTEGER, crc INTEGER, runs BLOB)"
RACY_NS = (
    2_000_000_000  # a folder younger than this may change again within one tick of the file system's clock
)
READER_SECONDS, WRITER_SECONDS = 30.0, 1.0  # how long to wait for another process's transaction
FILTERS = (
    "id", "base", "kind", "name", "setting", "dataset", "model",
    "forget", "forget_label", "precision", "status", "target", "earlier",
)  # fmt: skip


def layout(fields: Iterable[str]) -> int:
    """The number (31 bits) of an index whose rows have these fields; a file with another is rebuilt."""
    return zlib.crc32(" ".join((TABLE, *fields)).encode()) >> 1


LAYOUT = layout((*IndexRow.__annotations__, *FACTS))


def row(recipe: Recipe, scores: Mapping[str, Any], facts: Mapping[str, Any]) -> IndexRow:
    """A run in one flat row, plus `params` and `scores` as dicts; strict JSON data."""
    target = next((recipe.inputs[n] for n in ("target", "original", "start") if n in recipe.inputs), None)
    named = {name: getattr(recipe, name) for name in ("attempt", "kind", "name", "seed", "params", "setting")}
    labels = {"dataset": recipe.labels.get("dataset", ""), "forget_label": recipe.labels.get("forget")}
    labels |= {"method": recipe.labels.get("method"), "chosen": chosen_by(recipe)}
    done = {"status": facts.get("status", "done")}
    told = {name: facts.get(name) for name in ("reason", "created", *FACTS)}
    asked = {"model": recipe.model, "forget": recipe.forget, "precision": recipe.precision}
    asked["augment"] = recipe.data.get("augment")
    keys = {"id": recipe.key, "base": recipe.base.key, "target": target.key if target else ""}
    keys["earlier"] = recipe.inputs["earlier"].key if "earlier" in recipe.inputs else ""
    made_from = sorted({one.key for one in recipe.inputs.values()})
    behind = _behind(recipe) if recipe.forgotten else {}
    about = keys | named | labels | asked | done | told | behind
    flat: IndexRow = plain(about | {"inputs": made_from, "scores": scores})
    return flat


def _behind(recipe: Recipe) -> dict[str, Any]:
    """Of a run that follows other requests: their forget sets, and what carried them out, newest first."""
    made, model = [], recipe.inputs.get("target", recipe).inputs.get("original")
    while model is not None and model.forget:
        made.append([model.name, dict(model.params), model.precision, model.data.get("augment")])
        model = model.inputs.get("original")
    digest = hashlib.sha256(canonical(made).encode("utf-8", "backslashreplace")).hexdigest()
    return {
        FORGOTTEN: list(recipe.forgotten),
        "forgotten_labels": list(recipe.labels.get(FORGOTTEN, recipe.forgotten)),
        "after": ", ".join(str(one[0]) for one in made),
        "settings": digest[:4] if made else "",
    }


@dataclass(frozen=True)
class Shard:
    """The rows of one folder `runs/ab`, each with its run folder's modification time.

    `mtime` is the shard's own (ns) when it was read, or 0 if it must be read again.
    """

    name: str
    mtime: int
    runs: Runs


class Index:
    """Rows of all runs below `runs_dir`, kept in the SQLite file `path`. Safe for many processes at once.

    Attributes:
        unread: what `rows` last left out, for it could not be read: runs by id, whole shards by `ab`.
    """

    def __init__(self, path: Path, runs_dir: Path) -> None:
        self.path = path
        self.runs_dir = runs_dir
        self.unread: list[str] = []

    def rows(self, **filters: str | None) -> list[IndexRow]:
        """Rows that equal every filter given (`id` is a prefix; None means any), by creation time and id.

        Raises:
            TypeError: a filter that is not in `FILTERS`.
        """
        if unknown := filters.keys() - set(FILTERS):
            raise TypeError(f"rows() does not filter by {', '.join(sorted(unknown))}")
        wanted = {name: value for name, value in filters.items() if value is not None}
        with _no_collector():
            rows = [row for shard in self._shards() for _, row in shard.runs.values()]
            chosen = [row for row in rows if _matches(row, wanted)] if wanted else rows
            return sorted(chosen, key=lambda row: (row["created"] or 0.0, row["id"]))

    def refresh(self, shard: str) -> None:
        """Take up a change of one shard if that is quickly done; the next reader does it otherwise."""
        stored = self._load(WRITER_SECONDS, shard)
        if stored is not None:
            self._record([self._current(shard, stored.get(shard))], stored, WRITER_SECONDS)

    def _shards(self) -> list[Shard]:
        stored = self._load(READER_SECONDS)
        known = stored or {}
        self.unread = []
        shards = [self._current(name, known.get(name)) for name in shard_names(self.runs_dir)]
        self._record(shards, stored, READER_SECONDS)
        return shards

    def _current(self, name: str, stored: Shard | None) -> Shard:
        """`stored` itself if it still tells the truth, else what the folder says."""
        try:
            now, mtime = time.time_ns(), (self.runs_dir / name).stat().st_mtime_ns
            if stored and stored.mtime == mtime:
                return stored
            runs, unread = _scan(self.runs_dir / name, stored.runs if stored else {})
        except FileNotFoundError:
            return Shard(name, 0, {})
        except OSError:
            self.unread.append(name)
            return Shard(name, 0, {})
        self.unread += unread
        scanned = Shard(name, mtime if not unread and now - mtime >= RACY_NS else 0, runs)
        return stored if stored == scanned else scanned

    def _load(self, timeout: float, shard: str = "*") -> dict[str, Shard] | None:
        """The shards in the file; None if the file is missing or not a sound index."""
        query = "SELECT name, mtime, crc, runs FROM shards WHERE name GLOB ?"
        try:
            with closing(self._connect(timeout)) as db:
                if db.execute("PRAGMA user_version").fetchone()[0] != LAYOUT:
                    return None
                lines = db.execute(query, (shard,)).fetchall()
        except (sqlite3.Error, OSError):
            return None
        return {shard.name: shard for shard in map(_unpack, lines) if shard}

    def _record(self, shards: Sequence[Shard], stored: Mapping[str, Shard] | None, timeout: float) -> None:
        with suppress(sqlite3.Error, OSError):  # a read-only or busy index: the answer is right all the same
            if stored is None:
                self._rebuild(shards)
            elif changed := [shard for shard in shards if shard is not stored.get(shard.name)]:
                with closing(self._connect(timeout)) as db:
                    _write(db, changed)

    def _rebuild(self, shards: Sequence[Shard]) -> None:
        temporary = self.path.with_name(f".index-{os.getpid()}-{os.urandom(4).hex()}.sqlite")
        try:
            with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
                db.execute(TABLE)
                db.execute(f"PRAGMA user_version = {LAYOUT}")
                _write(db, shards)
            follow(temporary).replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _connect(self, timeout: float) -> sqlite3.Connection:
        address = f"{self.path.absolute().as_uri()}?mode=rw"  # does not create a file
        return sqlite3.connect(address, uri=True, timeout=timeout, isolation_level=None)


def shard_names(runs_dir: Path) -> list[str]:
    """The folders `00` to `ff` that exist, in order.

    Raises:
        OSError: whether there are any cannot be told.
    """
    try:
        return sorted(entry.name for entry in os.scandir(runs_dir) if SHARD.fullmatch(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def run_names(shard: Path) -> list[str]:
    """Ids of the runs in a shard's folder, which may not exist."""
    try:
        return [entry.name for entry in os.scandir(shard) if RUN_ID.fullmatch(entry.name)]
    except FileNotFoundError:
        return []


def _scan(folder: Path, known: Runs) -> tuple[Runs, list[str]]:
    """The runs in a shard's folder, read from their manifests unless known; and those that cannot be read."""
    runs: dict[str, tuple[int, IndexRow]] = {}
    unread: list[str] = []
    for entry in os.scandir(folder):
        if RUN_ID.fullmatch(entry.name):
            try:
                stamp = entry.stat().st_mtime_ns
                old = known.get(entry.name)
                runs[entry.name] = (
                    old if old and old[0] == stamp else (stamp, manifest.row_of(Path(entry.path)))
                )
            except manifest.UNREADABLE:
                if Path(entry.path).exists():  # or somebody has just removed it
                    unread.append(entry.name)
    return runs, unread


def _matches(row: Mapping[str, object], wanted: Mapping[str, str]) -> bool:
    return all(
        str(row[name]).startswith(value) if name == "id" else row[name] == value
        for name, value in wanted.items()
    )


def _write(db: sqlite3.Connection, shards: Sequence[Shard]) -> None:
    # No journal and no fsync: checksums and modification times already tell what to believe after a crash.
    db.execute("PRAGMA journal_mode = MEMORY")
    db.execute("PRAGMA synchronous = OFF")
    lines = [_pack(shard) for shard in shards]
    db.execute("BEGIN IMMEDIATE")
    db.executemany("REPLACE INTO shards VALUES (?, ?, ?, ?)", lines)
    db.execute("COMMIT")


def _pack(shard: Shard) -> tuple[str, int, int, bytes]:
    blob = packed.dumps(shard.runs)
    return shard.name, shard.mtime, _checksum(shard.name, shard.mtime, blob), blob


def _unpack(line: tuple[Any, Any, Any, Any]) -> Shard | None:
    name, mtime, crc, blob = line
    try:
        if crc != _checksum(name, mtime, blob):
            return None
        return Shard(name, mtime, packed.loads(blob))
    except Exception:  # noqa: BLE001 (pickle raises nearly anything; what cannot be read is read from the manifests)
        return None


def _checksum(name: str, mtime: int, blob: bytes) -> int:
    return zlib.crc32(blob, zlib.crc32(f"{name} {mtime}".encode()))


@contextmanager
def _no_collector() -> Iterator[None]:
    # Hundreds of thousands of new dicts would set off full collections that find nothing.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
