"""Tables as data: rows for machines, columns that say how people see them, and the formats to print in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Column:
    """A header and the cell it makes of a row."""

    header: str
    cell: Callable[[Mapping[str, Any]], str]
    right: bool = False  # numbers are aligned to the right


@dataclass(frozen=True)
class Table:
    """Rows of plain values (what `--json` prints) with the columns that show them.

    `notes` are sentences for people, printed below the table on a terminal.
    """

    name: str  # the JSON schema's name
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    notes: Sequence[str] = field(default_factory=tuple)

    def headers(self) -> list[str]:
        """The header line."""
        return [column.header for column in self.columns]

    def cells(self) -> list[list[str]]:
        """The body as people see it, a list of texts per row."""
        return [[column.cell(row) for column in self.columns] for row in self.rows]
