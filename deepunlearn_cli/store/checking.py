"""What is wrong with a run of a store, every byte of it read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.store import manifest
from deepunlearn_cli.store.index import run_names, shard_names
from deepunlearn_cli.store.kinds import FACTS
from deepunlearn_cli.store.ledger import FACT, LEDGER, NOTHING, Ledger
from deepunlearn_cli.store.manifest import Problem
from deepunlearn_cli.store.run import Run, inputs_of


def verified(
    keys: Sequence[str], place: Callable[[str], Path], progress: Progress | None = None
) -> list[Problem]:
    """What is wrong with runs; `place` has the folder of an id."""
    problems: list[Problem] = []
    for done, key in enumerate(keys, start=1):
        problems += problems_of(key, place)
        if progress:
            progress(done, len(keys), "verifying")
    return problems


def known(runs: Path, sealed: Iterable[str]) -> tuple[list[str], list[Problem]]:
    """Ids of all runs that are there or are to be, in order; and folders that this user may not look into."""
    seen, closed = visible(runs)
    return sorted({*seen, *sealed}), closed


def visible(runs: Path) -> tuple[list[str], list[Problem]]:
    """Ids of all runs in folders that this user may look into, in order, and the folders that he may not."""
    ids: list[str] = []
    closed: list[Problem] = []
    for shard in shard_names(runs):
        try:
            ids += run_names(runs / shard)
        except PermissionError:
            closed.append(manifest.not_readable(runs.name, shard))
    return sorted(ids), closed


def problems_of(key: str, place: Callable[[str], Path]) -> Iterator[Problem]:
    """In what a run differs from its manifest, and which inputs are gone; `place` has the folder of an id.

    What this user may not read is listed as `unread`.
    """
    folder = place(key)
    try:
        if not folder.is_dir():
            yield Problem(key, "", "is not in the store")
            return
        yield from manifest.problems(folder)
    except PermissionError:
        yield manifest.not_readable(key, "")
        return
    with suppress(UsageFailure, PermissionError):  # what may not be read is told already
        for one in inputs_of(Run(key, folder)):
            if not place(one).exists():
                yield Problem(key, "", f"was made from {one}, which is not in the store")


def of_ledger(root: Path, runs: Iterable[Run], heads: Iterable[str] = ()) -> Iterator[Problem]:
    """What is wrong with the ledger: its chain, what runs saw of it, heads that somebody kept elsewhere."""
    seen = [(run.id, *head) for run in runs if (head := _seen(run))]  # first: it may grow in the meantime
    try:
        found = Ledger(root).read()
    except UsageFailure:
        yield manifest.not_readable("ledger", LEDGER)
        return
    except StoreCorrupt as failure:
        yield Problem("ledger", LEDGER, failure.message)
        return
    for what in found.problems:
        yield Problem("ledger", LEDGER, what)
    known = {digest for entry in found.entries for digest in entry.digests}
    for key, number, digest in seen:
        if digest not in known:
            yield Problem(key, FACTS, f"saw line {number} of the ledger ({digest[:16]}), which is not there")
    for kept in heads:
        if not any(one.startswith(kept.lower()) for one in (NOTHING, *known)):
            yield Problem("ledger", LEDGER, f"has no line with SHA-256 {kept}: it was changed, or cut off")


def _seen(run: Run) -> tuple[int, str] | None:
    """The head of the ledger when a run was made, of one that can be read."""
    try:
        head = run.facts.get(FACT)
        return (int(head["number"]), str(head["sha256"])) if head else None
    except (NotFound, StoreCorrupt, UsageFailure, KeyError, TypeError, ValueError):
        return None
