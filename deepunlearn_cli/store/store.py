"""The store: one folder per run, made in a hidden folder beside its place and put there by one rename.

    ROOT/store.json                        the marker, {"schema": 1}
    ROOT/runs/ab/ab12cd34ef56a7b8/         a run (see `run.py`), sealed by its manifest (see `manifest.py`)
    ROOT/runs/ab/.ab12cd34ef56a7b8-PID-X/  a run being written, or what a killed process left of one
    ROOT/runs/ab/.ab12cd34ef56a7b8.lock    held while that run is being made
    ROOT/purposes/                         what originals were trained for (see `purposes.py`)
    ROOT/sealed                            ids of the runs that are to be there (see `sealed.py`)
    ROOT/asked/  ROOT/stated/              what somebody asked for or said (see `asked.py`, `stated.py`)
    ROOT/ledger.jsonl, ledger.head         what was done about requests (see `ledger.py`)
    ROOT/index.sqlite                      derived (see `index.py`); may be deleted at any time

Nothing is ever edited.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import StoreCorrupt, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.core.room import room_for
from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.core.shared import Outputs, Progress
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.store import ancestry, manifest, marker
from deepunlearn_cli.store.asked import AskedFor
from deepunlearn_cli.store.checking import known, verified
from deepunlearn_cli.store.index import RUN_ID, Index, row, run_names, shard_names
from deepunlearn_cli.store.ledger import marked
from deepunlearn_cli.store.leftovers import discard, erase, left_at, left_of_runs
from deepunlearn_cli.store.manifest import MANIFEST, Problem
from deepunlearn_cli.store.purposes import Purposes
from deepunlearn_cli.store.run import Run, follow_files, size_of, write_files
from deepunlearn_cli.store.sealed import Sealed
from deepunlearn_cli.system.locks import held_here, hold
from deepunlearn_cli.system.rights import make_folder

if TYPE_CHECKING:
    import torch

REF = re.compile(r"[0-9a-f]{4,}")
Copy = Callable[[Path], object]  # makes the folder that it is given


@dataclass(frozen=True)
class Store:
    """A store on disk. Safe for many threads, processes and (by its renames) machines at once."""

    root: Path

    @classmethod
    def open(cls, path: str | Path, *, create: bool) -> Store:
        """The store at `path`; with `create` it is made if missing.

        Raises:
            NotFound, UsageFailure, StoreCorrupt: as `marker.check` tells.
        """
        root = Path(path).expanduser()
        marker.check(root, create=create)
        return cls(root)

    @property
    def runs(self) -> Path:
        """Folder of the runs."""
        return self.root / "runs"

    @property
    def data(self) -> Path:
        """Folder for decoded datasets; may not exist yet."""
        return self.root / "data"

    @property
    def studies(self) -> Path:
        """Folder for Optuna journals; may not exist yet."""
        return self.root / "studies"

    @property
    def purposes(self) -> Purposes:
        """What originals were trained for."""
        return Purposes(self.root / "purposes")

    @property
    def asked(self) -> AskedFor:
        """Which runs of searches somebody asked for."""
        return AskedFor(self.root / "asked")

    @property
    def sealed(self) -> Sealed:
        """Which runs are to be there."""
        return Sealed(self.root / "sealed", self.ids)

    @cached_property
    def index(self) -> Index:
        """The index of the runs."""
        return Index(self.root / "index.sqlite", self.runs)

    def rows(self, **filters: str | None) -> list[IndexRow]:
        """Index rows by creation time, filtered as in `Index.rows`: `rows(kind="unlearn", name="msg")`."""
        return self.index.rows(**filters)

    def ids(self) -> list[str]:
        """Ids of all runs, in order, straight from the folders."""
        return sorted(name for shard in shard_names(self.runs) for name in run_names(self.runs / shard))

    def place(self, key: str) -> Path:
        """The folder of the run with this id, whether it is there or not; `UsageFailure` for no whole id."""
        if not RUN_ID.fullmatch(key):
            raise UsageFailure(f"{key!r} is not a whole run id", "deepunlearn runs lists them all")
        return self.runs / key[:2] / key

    def has(self, key: str) -> bool:
        """Whether a run, sound or not, has this id."""
        return self.place(key).exists()

    def get(self, key: str) -> Run | None:
        """The run with this id, or None.

        Raises:
            StoreCorrupt: its folder is there without a manifest, so it can neither be used nor made again.
        """
        place = self.place(key)
        if (place / MANIFEST).exists():
            return Run(key, place)
        if place.exists():
            raise StoreCorrupt(f"run {key} has no {MANIFEST}", f"deepunlearn prune {key} removes it")
        return None

    def find(self, ref: str) -> Run:
        """The one run whose id starts with `ref` (4 hex digits or more).

        Raises:
            UsageFailure: `ref` is too short, not hexadecimal, or fits several runs.
            NotFound, StoreCorrupt: it fits none, or one that was sealed and is gone.
        """
        if not REF.fullmatch(ref.lower()):
            hint = "give 4 or more of the hex digits that `deepunlearn runs` shows"
            raise UsageFailure(f"{ref!r} is not a run id", hint)
        names = sorted(n for n in run_names(self.runs / ref[:2].lower()) if n.startswith(ref.lower()))
        if not names:
            raise self.sealed.absent(ref.lower(), self.has)
        if len(names) > 1:
            shown = ", ".join(names[:5]) + ", ..." * (len(names) > 5)
            raise UsageFailure(f"{ref} fits {len(names)} runs: {shown}", "give more digits")
        return self._run(names[0])

    def dependents(self, keys: Iterable[str]) -> dict[str, list[str]]:
        """For each of these runs the ids of the runs that were made from it, as the index has them."""
        return ancestry.dependents(map(self._run, self.ids()), self.rows(), keys)

    def next_attempt(self, recipe: Recipe) -> Recipe:
        """`recipe` with the first attempt number that has no run yet."""
        return next(one for n in count() if self.get((one := replace(recipe, attempt=n)).key) is None)

    @contextmanager
    def making(self, recipe: Recipe, waiting: Callable[[], None] | None = None) -> Iterator[Run | None]:
        """Hold the right to make a run; yields the run if somebody made it in the meantime.

        Blocks while another process or thread is inside for the same recipe (`waiting` is then called once);
        a killed one does not block. What killed ones left of this run is removed. Not re-entrant.
        """
        with self._alone(recipe.key, waiting):
            yield self.get(recipe.key)

    def put(
        self,
        recipe: Recipe,
        *,
        weights: Mapping[str, torch.Tensor] | None = None,
        track: Mapping[str, torch.Tensor] | None = None,
        outputs: Outputs | None = None,
        scores: Mapping[str, Any],
        facts: Mapping[str, Any],
        log: Iterable[Mapping[str, Any]] = (),
    ) -> Run:
        """Keep a run for good; if its place is taken, the run that is there is returned and this one dropped.

        Outputs are split -> name -> array; NaN and infinities in scores, facts and log become null. Waits if
        another process is making the same run. Any exception, Ctrl-C too, leaves the store as it was.
        """
        tensors = {"weights": weights, "track": track, "outputs": outputs}
        files = {**tensors, "scores": scores, "facts": marked(self.root, facts), "log": log}
        with nullcontext() if held_here(self._lock(recipe.key)) else self._alone(recipe.key):
            return self.get(recipe.key) or self._write(recipe, files)

    def adopt(self, key: str, copy: Copy, waiting: Callable[[], None] | None = None) -> list[Problem]:
        """Take up a run of another store: `copy` makes a folder, checked byte for byte before it counts.

        Returns why it was not taken: how it differs from its manifest, what could not be read; raises what
        `waiting` does, which is called if somebody is making it here.
        """
        with self._alone(key, waiting):
            staging = self._hidden(key)
            try:
                copy(place := staging / key)
                if problems := [*manifest.problems(place)]:
                    return problems
                follow_files(place)
                manifest.flush_files(place)
                self._settle(place, key)
            except (OSError, shutil.Error) as error:
                return [Problem(key, "", f"cannot be copied: {error}")]
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            return []

    def remove(self, run_ids: Iterable[str]) -> None:
        """Delete runs, consumers before their inputs, each at once, whatever is damaged in it.

        A killed process leaves a hidden leftover, never half a run nor one whose inputs are gone.

        Raises:
            UsageFailure: a run may not be removed, or its disk fails.
        """
        for run in ancestry.consumers_first(map(self._run, run_ids)):
            self.sealed.drop(run.id)
            with suppress(FileNotFoundError):
                discard(run.path, self._hidden(run.id))
                self.index.refresh(run.id[:2])
            self.purposes.drop(run.id)
            self.asked.drop(run.id)

    def leftovers(self) -> list[Path]:
        """What killed processes left: hidden folders, locks, drafts and index files that nobody holds."""
        return [*left_of_runs(self.runs, self._lock), *left_at(self.root)]

    def remove_leftovers(self) -> list[Path]:
        """Delete what killed processes left; returns the paths that were there."""
        leftovers = self.leftovers()
        for path in leftovers:
            if not path.is_relative_to(self.runs):
                erase(path)
            elif path.exists():
                with suppress(BlockingIOError), self._alone(path.name[1:17], give_up):
                    pass  # entering removes them
        return [path for path in leftovers if not path.exists()]

    def verify(self, ids: Sequence[str] | None = None, progress: Progress | None = None) -> list[Problem]:
        """What is wrong with the given runs, or with all that were sealed (see `checking.py`)."""
        names, closed = known(self.runs, self.sealed.all()) if ids is None else (list(ids), [])
        return closed + verified(names, self.place, progress)

    def _run(self, key: str) -> Run:
        return Run(key, self.place(key))

    def _lock(self, key: str) -> Path:
        return self.runs / key[:2] / f".{key}.lock"

    def _hidden(self, key: str) -> Path:
        return self.runs / key[:2] / f".{key}-{os.getpid()}-{os.urandom(4).hex()}"

    @contextmanager
    def _alone(self, key: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        with hold(self._lock(key), waiting) as locked:
            if locked:  # so whoever wrote these folders is dead
                for leftover in (self.runs / key[:2]).glob(f".{key}-*"):
                    erase(leftover)
            yield

    def _write(self, recipe: Recipe, files: dict[str, Any]) -> Run:
        staging = self._hidden(recipe.key)
        try:
            with room_for(self.place(recipe.key), size_of(files)):
                make_folder(staging)
                write_files(staging, recipe=recipe, **files)
                manifest.write(staging, row(recipe, files["scores"], files["facts"]))
                return self._settle(staging, recipe.key)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _settle(self, staging: Path, key: str) -> Run:
        place = self.place(key)
        try:
            staging.rename(place)
        except OSError:
            winner = self.get(key)
            if winner is None:
                raise
            shutil.rmtree(staging, ignore_errors=True)
            return winner
        flush(place.parent)
        flush(self.runs)
        self.sealed.add(key)
        self.index.refresh(key[:2])
        return Run(key, place)


def give_up() -> None:
    """Do not wait for whoever is making a run."""
    raise BlockingIOError
