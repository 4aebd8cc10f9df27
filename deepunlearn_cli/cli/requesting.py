"""A deletion request, named beside what is unlearned for it: the options, and what the ledger is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.requested import Asked

PANEL = "Deletion request"


def complete_requests(context: typer.Context, incomplete: str) -> list[str]:
    """IDs in the store's ledger."""
    from deepunlearn_cli.cli.command import DEFAULT_STORE
    from deepunlearn_cli.core.errors import Failure
    from deepunlearn_cli.store.ledger import Ledger
    from deepunlearn_cli.store.requests import requests_of

    root = context.params.get("store") or DEFAULT_STORE
    try:
        known = requests_of(Ledger(root).entries())
    except (Failure, OSError):
        return []
    return [name for name in known if name.startswith(incomplete)]


class Requesting(Bundle):
    """Which request this carries out."""

    request: Annotated[
        str | None,
        option(
            metavar="ID",
            help="Record it in the store's ledger as what was done about this deletion request.",
            autocompletion=complete_requests,
            rich_help_panel=PANEL,
        ),
    ] = None
    received: Annotated[
        str | None,
        option(
            metavar="DATE",
            help="When the request came, as 2025-02-03. (default: today)",
            rich_help_panel=PANEL,
        ),
    ] = None
    note: Annotated[
        str | None,
        option(
            metavar="TEXT",
            help="A line to keep with it; no names of people: the ledger is never edited.",
            rich_help_panel=PANEL,
        ),
    ] = None

    def asked(self, methods: Sequence[str]) -> Asked | None:
        """The request, if there is one.

        Raises:
            UsageFailure: an ID, a day or a note that cannot be; a day or a note of no request; no method
                but doing nothing.
        """
        from deepunlearn_cli.checkpoints.requested import Asked
        from deepunlearn_cli.store.requests import read_id, read_note, read_received

        if self.request is None:
            for name in ("received", "note"):
                if getattr(self, name) is not None:
                    raise UsageFailure(f"--{name} belongs to a request", "--request ID says which")
            return None
        if methods == [DO_NOTHING]:
            raise UsageFailure(
                "doing nothing carries out no request",
                "--method retrain does so exactly; `deepunlearn methods` lists others",
            )
        received = None if self.received is None else read_received(self.received)
        note = None if self.note is None else read_note(self.note)
        return Asked(read_id(self.request), received, note or None)
