"""Tables as data: rows for machines, and columns that say how people see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

# Rows of plain values by field. The names are made of those of measures and facts (`RetDev_mean`), so that no
# type lists them.
Row = Mapping[str, Any]
Fields = dict[str, Any]  # of a row that is being made

UNKNOWN = "\u2013"  # an en dash


@dataclass(frozen=True)
class Column:
    """A header and the text it makes of a row, in full: only a terminal breaks lines that are too long.

    Attributes:
        right: whether it is aligned to the right, as numbers are.
        width: characters of a line on a terminal; 0 for as many as there are.
    """

    header: str
    text: Callable[[Row], str]
    right: bool = False
    width: int = 0

    def folded(self, text: str) -> str:
        """A cell's text in lines of this width."""
        lines = text.split("\n")
        return "\n".join(part for line in lines for part in _parts(line, self.width)) if self.width else text


def _parts(line: str, width: int) -> list[str]:
    """A line in pieces; of `name=value` the value stays in one piece if it can."""
    name, equals, value = line.partition("=")
    whole = len(line) <= width or not equals or " " in line
    pieces = [line] if whole else [name + equals, value]
    return [part for piece in pieces for part in wrap(piece, width) or [""]]


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
