"""`deepunlearn verify`: does the store hold what its manifests say?"""

from __future__ import annotations

from typing import Annotated

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import problem_table
from deepunlearn_cli.cli.options import complete_refs
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.cli.reading import read_refs
from deepunlearn_cli.core.errors import ExitCode


@register(app, "verify", "deepunlearn verify", "deepunlearn verify 3f9c 77ab")
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
) -> Result:
    """Check every file of every run (or of those given) against its SHA-256; exit 7 if one differs."""
    store = session.store()
    ids = [store.find(ref).id for ref in read_refs(refs)] if refs else None
    with session.bars() as bars:
        problems = store.verify(ids, bars.progress)
    notes = [f"{len(ids or store.ids())} runs checked, {len(problems)} problems"]
    if left := store.leftovers():
        notes.append(f"{len(left)} leftovers of killed processes: deepunlearn prune --leftovers")
    code = ExitCode.STORE_CORRUPT if problems else ExitCode.OK
    tables = [problem_table(problems)] if problems else []
    return Result(tables=tables, notes=notes, code=code)
