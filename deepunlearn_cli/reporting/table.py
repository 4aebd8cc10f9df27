"""Tables as data: rows for machines, and columns that say how people see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

# Rows of plain values by field. The names are made of those of measures and facts (`RetDev_mean`), so that no
# type lists them.
Row = Mapping[str, Any]
Fields = dict[str, Any]  # of a row that is being made

SHARED = "every row: "  # before what all rows have in common
PLACE = ("dataset", "model", "forget")  # of a pair, and of a row that is about one
UNKNOWN = "\u2013"  # an en dash


PASSED, FAILED, OPEN = "passed", "failed", "open"  # outcomes; open: it came to no answer


@dataclass(frozen=True)
class Finding:
    """Whether what a row is about holds, for a CI job: an outcome, of whom, and a sentence.

    `told`: whether it is worth a line among what people read first.
    """

    outcome: str
    title: str
    text: str
    told: bool = True


@dataclass(frozen=True)
class Column:
    """A header and the text it makes of a row, in full: only a terminal breaks lines that are too long.

    Attributes:
        right: whether it is aligned to the right, as numbers are.
        id: whether it holds ids, of which a narrow terminal shows as much as tells them apart.
        spare: whether a narrow terminal goes without it rather than show the table in pieces.
    """

    header: str
    text: Callable[[Row], str]
    right: bool = False
    id: bool = False
    spare: bool = False


def field_column(name: str, header: str = "", *, right: bool = False) -> Column:
    """A column with what a row has under a name; nothing where it has none."""

    def text(row: Row) -> str:
        value = row.get(name)
        return "" if value is None else str(value)

    return Column(header or name, text, right)


@dataclass(frozen=True)
class Table:
    """Rows of plain values (what `--json` prints) with the columns that show them.

    `notes` are sentences for people, printed below the table on a terminal.

    Attributes:
        keys: columns that say of what a row is where no title stands above it. Tab-separated lines have them
            all; people see those in which rows differ, the others are told once.
        lead: how many of the columns name a row: they are repeated where a table is shown in pieces.
        judge: what a row means for a CI job, if anything.
    """

    name: str  # the JSON schema's name
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    notes: Sequence[str] = field(default_factory=tuple)
    keys: Sequence[Column] = field(default_factory=tuple)
    lead: int = 1
    judge: Callable[[Row], Finding | None] | None = None

    def headers(self) -> list[str]:
        """The header line."""
        return [column.header for column in self.columns]

    def cells(self) -> list[list[str]]:
        """The body as people see it, a list of texts per row."""
        return [[column.text(row) for column in self.columns] for row in self.rows]

    def keyed(self) -> Table:
        """With every key among the columns."""
        return replace(self, columns=[*self.keys, *self.columns], keys=())

    def told(self) -> Table:
        """With the keys in which rows differ among the columns, and a note of those that no title tells."""
        varied = [key for key in self.keys if len(set(self._texts(key))) > 1]
        lone = [key for key in self.keys if key not in varied and self.rows]
        untold = {
            key.header: text
            for key in lone
            if (text := self._texts(key)[0]) and text.lower() not in self.title.lower()
        }
        said = ", ".join(f"{header} {text}" for header, text in untold.items())
        notes = [*([f"{SHARED}{said}"] if said else []), *self.notes]
        return replace(
            self, columns=[*varied, *self.columns], notes=notes, keys=(), lead=len(varied) + self.lead
        )

    def _texts(self, column: Column) -> list[str]:
        return [column.text(row) for row in self.rows]
