"""What must hold of every table and note on every terminal; `conftest.py` has it hold of all that any test prints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from rich.cells import cell_len

from deepunlearn_cli.cli import console
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.reporting.table import Table

WIDTHS = (40, 80, 100, 140)
EXAMINED, ROWS = 4, 60  # tables of a kind that are looked at, and rows of each
found: list[str] = []  # what was wrong with tables that tests printed
seen: Counter[str] = Counter()  # by schema


def lines_of(table: Table, width: int) -> list[str]:
    """A table as a terminal shows it."""
    return [line for text, _ in console.page_of(table, width) for line in text.split("\n")]


def faults(table: Table, width: int) -> list[str]:
    """Lines that are too wide, and words, numbers and ids that are in none."""
    lines = lines_of(table, width)
    where = f"{table.name} at {width} columns"
    wide = [f"{where}: {line!r} is too wide" for line in lines if cell_len(line) > width]
    text = "\n".join(lines)
    return wide + [f"{where}: {word!r} is broken" for word in _words(table, text, width) if word not in text]


def examine(table: Table) -> None:
    """Note what is wrong with a table, of the first few of its kind."""
    seen[table.name] += 1
    found.extend(f"{table.name}: a pipe has a column without a name" for one in table.headers() if not one)
    if seen[table.name] <= EXAMINED and len(table.rows) <= ROWS and table.columns:
        found.extend(fault for width in WIDTHS for fault in faults(table, width))
        found.extend(f"{one!r} is no command to copy" for note in table.notes for one in unquoted(note))


def _words(table: Table, text: str, width: int) -> list[str]:
    """Every word of a cell that is shown and fits a line; of an id what no terminal leaves out."""
    gone = "not shown here:" in " ".join(text.split())
    told = table.told()
    words = []
    for column, *cells in zip(told.columns, *told.cells(), strict=True):
        if not (column.spare and gone):
            parts = [part for cell in cells for part in re.split(r"\s+|(?<==)", printable(cell, keep="\n"))]
            words += [part[:8] if column.id else part for part in parts if cell_len(part) <= width]
    return words


def unquoted(text: str) -> list[str]:
    """Commands of a sentence that are not between backticks: a narrow terminal would break them anywhere."""
    return re.findall(r"(?<![\w/-])deepunlearn [a-z]+[^;]*", re.sub(r"`[^`]*`", "", text))


def _listened(say: Callable[..., None]) -> Callable[..., None]:
    def listened(self: console.Console, text: str, *hint: str) -> None:
        found.extend(f"{one!r} is no command to copy" for one in unquoted(text))
        say(self, text, *hint)

    return listened


def _watched(show: Callable[[console.Console, console.Result], None]) -> Callable[..., None]:
    def watched(self: console.Console, result: console.Result) -> None:
        for table in result.tables:
            examine(table)
        show(self, result)

    return watched


console.Console.show = _watched(console.Console.show)  # type: ignore[method-assign]
console.Console.note = _listened(console.Console.note)  # type: ignore[method-assign]
console.Console.warn = _listened(console.Console.warn)  # type: ignore[method-assign]
