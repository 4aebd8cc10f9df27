"""Columns as texts, and a table told row by row where columns do not fit side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from deepunlearn_cli.cli.wrapping import longest, wrapped

GUTTER = 2  # columns between two of a table


@dataclass(frozen=True)
class Strip:
    """A column as texts; `lead` ones name the row, of which `key` ones came from outside the columns."""

    header: str
    cells: tuple[str, ...]
    right: bool = False
    id: bool = False
    spare: bool = False
    lead: bool = False
    key: bool = False
    last: bool = False

    @property
    def body(self) -> int:
        """The width of the widest line of a cell."""
        return max((cell_len(part) for cell in self.cells for part in cell.split("\n")), default=0)

    @property
    def unit(self) -> int:
        """The width of the longest piece that is not broken."""
        return max(map(longest, (self.header, *self.cells)))


def stacked(strips: Sequence[Strip], width: int) -> list[str]:
    """Row by row, a line or more for each header."""
    label = max(cell_len(_flat(one.header)) for one in strips)
    lines = []
    for number in range(len(strips[0].cells)):
        lines += [""] if number else []
        for one in strips:
            lines += _entry(_flat(one.header), one.cells[number], label + GUTTER, width)
    return ["", "", *lines]


def _flat(header: str) -> str:
    return " ".join(header.split())


def _entry(header: str, text: str, indent: int, width: int) -> list[str]:
    """A value beside its header, or below it where it would have to be broken."""
    if not text:
        return []
    if header and longest(text) > width - indent:
        return [*wrapped(header, width), *below_it(text, width)]
    parts = wrapped(text, width - indent)
    return [f"{header if not number else '':{indent}}{part}".rstrip() for number, part in enumerate(parts)]


def below_it(text: str, width: int) -> list[str]:
    """What is too long for its place, on lines of its own."""
    indent = GUTTER if longest(text) <= width - GUTTER else 0
    return [" " * indent + part for part in wrapped(text, width - indent)]
