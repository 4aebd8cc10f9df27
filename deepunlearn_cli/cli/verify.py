"""`deepunlearn verify`: does the store hold what its manifests say?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import problem_table
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import argument, option
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import ExitCode, Failure, UsageFailure
from deepunlearn_cli.core.typed import shortened

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Problem, Store

HEAD = re.compile("[0-9a-fA-F]{16,64}")


@register(
    app,
    "verify",
    "deepunlearn verify",
    "deepunlearn verify 3f9c 77ab",
    'deepunlearn verify --head "$(cat head.txt)"    # of `requests --head`',
)
def verify(
    session: Session,
    refs: Annotated[
        list[str] | None,
        argument(
            metavar="RUN",
            help="Run ids, or - for ids on stdin; all runs if none.",
            autocompletion=complete_refs,
        ),
    ] = None,
    head: Annotated[
        list[str] | None,
        option(metavar="SHA256", help="A head of the ledger that you kept: is it still there? Repeatable."),
    ] = None,
) -> Result:
    """Check every file of the store (or of the runs given) against its SHA-256; exit 7 if one differs.

    Of the whole store, decoded pictures and forget sets too, runs that are gone and inputs that are, and the
    chain of the ledger of requests: lines that were changed, removed or put elsewhere; and certificates that
    were given: are they there, and as they were? And journals and presets of searches, and what originals
    were trained for. What you may not read is listed, and is no proof of damage: exit 6.
    """
    from deepunlearn_cli.store.checking import visible

    _check_heads(head or (), refs)
    store = session.store()
    ids = [store.find(ref).id for ref in read_refs(refs)] if refs else visible(store.runs)[0]
    with session.bars() as bars:
        problems = store.verify(ids if refs else None, bars.progress)
    if not refs:
        problems += [*_of_data(store.data), *_of_ledger(store, ids, head or ()), *_of_certificates(store)]
        problems += [*store.sealed.problems(), *store.purposes.problems(), *_of_searches(store)]
    notes = [f"{len(ids)} runs checked, {len(problems)} problems"]
    notes += [] if refs else [*_lines(store), *_not_here(store), *_purged(store)]
    if left := store.leftovers():
        notes.append(f"{len(left)} leftovers of killed processes: `deepunlearn prune --leftovers`")
    tables = [problem_table(problems)] if problems else []
    return Result(tables=tables, notes=notes, code=_code(problems))


def _check_heads(heads: Sequence[str], refs: Sequence[str] | None) -> None:
    """Refuse what is no head, and heads beside runs."""
    hint = "`deepunlearn requests --head` prints one of 64 hex digits"
    for one in heads:
        if not HEAD.fullmatch(one):
            raise UsageFailure(f"--head {shortened(one)!r} is no SHA-256 of 16 or more hex digits", hint)
    if heads and refs:
        raise UsageFailure("--head is of the whole store's ledger, and runs were given too", "give one")


def _of_ledger(store: Store, ids: Sequence[str], heads: Sequence[str]) -> list[Problem]:
    """What is wrong with the ledger of requests."""
    from deepunlearn_cli.store.checking import of_ledger
    from deepunlearn_cli.store.run import Run

    return [*of_ledger(store.root, (Run(key, store.place(key)) for key in ids), heads)]


def _lines(store: Store) -> list[str]:
    """How much there is of a ledger."""
    from deepunlearn_cli.store.ledger import Ledger

    with suppress(Failure):
        if lines := len(Ledger(store.root).entries()):
            return [f"{lines} lines of the ledger of requests checked"]
    return []


def _of_data(home: Path) -> list[Problem]:
    """What is wrong with the decoded pictures and the forget sets."""
    from deepunlearn_cli.data import differences
    from deepunlearn_cli.store import Problem

    return [Problem("data", *found) for found in differences(home)]


def _of_certificates(store: Store) -> list[Problem]:
    """What is wrong with the certificates that the store gave, and which of them are gone."""
    from deepunlearn_cli.evidence.shelf import Shelf
    from deepunlearn_cli.evidence.standing import given_here
    from deepunlearn_cli.store.ledger import Ledger

    given: list[str] = []
    with suppress(Failure):  # told as a problem of the ledger
        given = given_here(Ledger(store.root).read().entries)
    return Shelf(store.root).problems(given)


def _of_searches(store: Store) -> list[Problem]:
    """What is wrong with the journals and presets of searches."""
    from deepunlearn_cli.sweep import soundness

    return [*soundness.problems(store.studies)]


def _not_here(store: Store) -> list[str]:
    """Of pictures and forget sets that are made again when they are named: a store may do without."""
    gone: dict[str, int] = {}
    for row in store.rows():
        with suppress(Failure, PermissionError):
            run = store.get(row["id"])
            recipe = run.recipe if run else None
            for path in _needed(recipe) if recipe else ():
                gone[path] = gone.get(path, 0) + (not (store.data / path).exists())
    return [
        f"{store.data / path}, of {count} runs, is not there: naming the dataset and the forget set "
        "makes it again"
        for path, count in sorted(gone.items())
        if count
    ]


def _purged(store: Store) -> list[str]:
    """What nobody can check any more, for it is gone for good."""
    from deepunlearn_cli.data import read_record

    record = None
    with suppress(Failure, OSError):  # told as a problem
        record = read_record(store.data)
    counts = [len(one.indices) for one in record.datasets.values()] if record else []
    return [f"{sum(counts)} pictures were purged: what is left was checked"] if counts else []


def _needed(recipe: Recipe) -> list[str]:
    from deepunlearn_cli.execution import chains

    data = str(recipe.data.get("fingerprint", ""))
    return [*([data] if data else []), *([f"forget/{one}.npz" for one in chains.behind(recipe)])]


def _code(problems: Sequence[Problem]) -> ExitCode:
    if not problems:
        return ExitCode.OK
    return ExitCode.PARTLY_FAILED if all(one.unread for one in problems) else ExitCode.STORE_CORRUPT
