"""`deepunlearn purge`: remove from the store what holds the pictures of a deletion request."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.cli.purge_facts import Facts
    from deepunlearn_cli.cli.purgeable import Wanted
    from deepunlearn_cli.data import Erased
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.reporting.purges import PurgeRow


class Scope(Bundle):
    """What is to go: whose pictures, and what beside their bytes."""

    request: Annotated[
        str, option("--request", metavar="ID", help="The pictures of a request of the ledger.")
    ] = ""
    forget: Annotated[
        str,
        option(
            "--forget",
            metavar="REF",
            help="The pictures that a model has forgotten: a run id or a file.",
            autocompletion=complete_refs,
        ),
    ] = ""
    models: Annotated[
        bool, option("--models", help="Also models that know them, and what any model said of them.")
    ] = False
    with_duplicates: Annotated[
        bool, option("--with-duplicates", help="Also pictures that equal one of them, byte for byte.")
    ] = False
    lines_of: Annotated[
        list[Path] | None,
        option(
            "--lines-of", metavar="FILE", help="Also their lines in a file of `attack --samples`. Repeatable."
        ),
    ] = None

    def check(self) -> None:
        """Refuse pictures named in two ways, and what goes with pictures that nobody named.

        Raises:
            UsageFailure: they are.
        """
        if self.request and self.forget:
            raise UsageFailure("--request and --forget were both given", "give one of them")
        if not (self.request or self.forget) and (self.models or self.lines_of):
            raise UsageFailure("whose pictures?", "--request ID or --forget REF")

    def facts(self, runner: Runner, wanted: Wanted) -> Facts:
        """All that it has to do with in a store, as that is now."""
        from deepunlearn_cli.cli import purgeable
        from deepunlearn_cli.cli.purge_facts import Facts
        from deepunlearn_cli.cli.purge_lines import lines_of

        planned = purgeable.planned(runner.store, wanted, with_duplicates=self.with_duplicates)
        found = purgeable.touched(runner, planned)
        lines = lines_of(runner.store, self.lines_of or (), planned)
        return Facts(runner.store, planned, found, lines, self.models)


@register(
    app,
    "purge",
    "deepunlearn purge --request 4711 --dry-run",
    "deepunlearn purge --request 4711 --models --yes",
    "deepunlearn purge --forget 3f9c --lines-of exposed.csv",
    "deepunlearn purge    # ends a purge that was killed",
)
def purge(
    session: Session,
    scope: Scope,
    dry_run: Annotated[bool, option("--dry-run", help="Say what would go, remove nothing.")] = False,
    yes: Annotated[bool, option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, option("--force", help="Though nobody audited the result.")] = False,
) -> Result:
    """Remove what holds the pictures of a deletion request from the store, for good.

    Their bytes go from every decoded dataset; their places stay, so that all other runs are found and made
    again as before. Runs that were made of them cannot be made again. What remains, and what this command
    cannot reach, is listed.
    """
    from deepunlearn_cli.cli import purgeable
    from deepunlearn_cli.cli.purge_facts import carry_out
    from deepunlearn_cli.store import stripping

    scope.check()
    store = session.store()
    with session.runner("cpu", create=False) as runner:
        wanted = purgeable.wanted(store, scope.request, scope.forget, force=force)
        facts = scope.facts(runner, wanted)
        if dry_run or not _agreed(wanted, facts, yes):
            return _told(facts.rows(None), ["nothing was removed"])
        if stripping.mend(store):
            facts = scope.facts(runner, wanted)
        erased = carry_out(facts, wanted)
    return _told(facts.rows(erased), _notes(facts, erased))


def _told(rows: Sequence[PurgeRow], notes: Sequence[str]) -> Result:
    from deepunlearn_cli.reporting.purges import purge_table

    return Result(tables=[purge_table(rows)] if rows else [], notes=notes)


def _notes(facts: Facts, erased: Erased) -> list[str]:
    pictures, there = sum(erased.pictures.values()), sum(len(one.gone) for one in facts.planned)
    notes = [f"{pictures} pictures were erased" + (f", {there} had been before" if there else "")]
    if not erased.locked:
        notes.append("this file system does not lock: see to it that no other command was using the store")
    return notes


def _agreed(wanted: Wanted, facts: Facts, yes: bool) -> bool:
    count = sum(one.count for one in facts.planned)
    if yes or not wanted.name:
        return True
    if not sys.stdin.isatty():
        raise UsageFailure(f"{count} pictures would be erased for good", "--yes to agree, --dry-run to look")
    return typer.confirm(f"erase {count} pictures for good?", err=True)
