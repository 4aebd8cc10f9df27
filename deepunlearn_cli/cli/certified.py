"""What the commands behind `certify` share: options, and tables of plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.evidence.envelope import Envelope

Request = Annotated[str, option("--request", metavar="ID", help="The request, as the ledger has it.")]
Html = Annotated[
    Path | None,
    option("--html", metavar="FILE", help="Also write a page to file: two sides of paper, with its words."),
]
Salt = Annotated[
    Path | None,
    option(
        "--salt",
        metavar="FILE",
        help="64 hex digits that you keep; the store then keeps none. (default: drawn, kept in the store "
        "with mode 0600)",
    ),
]


def certificate_table(made: Sequence[Envelope]) -> Table:
    """Certificates by their digests."""
    return plain_table(
        "deepunlearn.certificate/1", [{"certificate": m.digest, "key": m.key_id} for m in made]
    )


def plain_table(schema: str, rows: Sequence[dict[str, object]], title: str = "") -> Table:
    """Rows of the same keys, which are the columns."""
    columns = [Column(name, lambda row, name=name: str(row[name])) for name in rows[0]]  # type: ignore[misc]
    return Table(schema, title, columns, rows)
