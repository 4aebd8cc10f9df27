"""Tables as data: rows for machines, and columns that say how people see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Rows of plain values by field. The names are made of those of measures and facts (`RetDev_mean`), so that no
# type lists them.
Row = Mapping[str, Any]
Fields = dict[str, Any]  # of a row that is being made

UNKNOWN = "\u2013"  # an en dash


@dataclass(frozen=True)
class Column:
    """A header and the text it makes of a row."""

    header: str
    text: Callable[[Row], str]
    right: bool = False  # numbers are aligned to the right


@dataclass(frozen=True)
class Table:
    """Rows of plain values (what `--json` prints) with the columns that show them.

    `notes` are sentences for people, printed below the table on a terminal.
    """

    name: str  # the JSON schema's name
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = field(default_factory=tuple)

    def headers(self) -> list[str]:
        """The header line."""
        return [column.header for column in self.columns]

    def cells(self) -> list[list[str]]:
        """The body as people see it, a list of texts per row."""
        return [[column.text(row) for column in self.columns] for row in self.rows]
