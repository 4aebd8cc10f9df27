"""Columns of a table as texts, and the ways to do with fewer and narrower ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from rich.cells import cell_len

from deepunlearn_cli.cli.wrapping import longest
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.reporting.table import SHARED, Column

SHORT_ID = 8  # digits of an id that are shown at least


@dataclass(frozen=True)
class Strip:
    """A column as texts; `lead` ones name the row, of which `key` ones came from outside the columns."""

    column: Column
    cells: tuple[str, ...]
    lead: bool = False
    key: bool = False
    last: bool = False

    @cached_property
    def header(self) -> str:
        """What stands above it, in one line or several."""
        return printable(self.column.header, keep="\n")

    @cached_property
    def body(self) -> int:
        """The width of the widest line of a cell."""
        return max((cell_len(part) for cell in self.cells for part in cell.split("\n")), default=0)

    @cached_property
    def unit(self) -> int:
        """The width of the longest piece that is not broken."""
        return max(map(longest, (self.header, *self.cells)))


@dataclass(frozen=True)
class Layout:
    """Columns and what is told below them in the place of others."""

    strips: tuple[Strip, ...]
    legends: tuple[str, ...] = ()


def short(layout: Layout) -> Layout:
    """Ids by as many digits as tell those of the table apart."""
    cells = [cell for strip in layout.strips if strip.column.id for cell in strip.cells]
    ids = {word for cell in cells for word in cell.split()}
    most = max(map(len, ids), default=0)
    enough = next((n for n in range(SHORT_ID, most) if len({one[:n] for one in ids}) == len(ids)), most)
    return replace(
        layout,
        strips=tuple(
            replace(one, cells=tuple(" ".join(word[:enough] for word in cell.split()) for cell in one.cells))
            if one.column.id
            else one
            for one in layout.strips
        ),
    )


def shared(layout: Layout) -> Layout:
    """Columns of text in which every row has the same, told once."""
    alike = [
        one
        for one in layout.strips
        if not (one.lead or one.column.right)
        and len(one.cells) > len(set(one.cells)) == 1
        and "\n" not in one.cells[0]
    ]
    said = ", ".join(f"{one.header} {one.cells[0]}".strip() for one in alike if one.cells[0])
    kept = tuple(one for one in layout.strips if one not in alike)
    return Layout(kept, (*layout.legends, f"{SHARED}{said}")) if said else Layout(kept, layout.legends)


def lettered(layout: Layout) -> Layout:
    """Keys as letters before the first column, which a legend explains."""
    keys = [one for one in layout.strips if one.key]
    if not keys:
        return layout
    whole = [" ".join(filter(None, texts)) for texts in zip(*(one.cells for one in keys), strict=True)]
    letters = {text: _letter(place) for place, text in enumerate(dict.fromkeys(whole))}
    first, *others = (one for one in layout.strips if not one.key)
    cells = (f"{letters[text]} {cell}" for text, cell in zip(whole, first.cells, strict=True))
    strip = replace(first, cells=tuple(cells))
    said = (f"{letter}: {text}" for text, letter in letters.items())
    return Layout((strip, *others), (*layout.legends, *said))


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else str(place + 1)


def spared(layout: Layout) -> Iterator[Layout]:
    """Without one after the other of what can be spared, the last first."""
    strips, gone = layout.strips, list[str]()
    for one in reversed(layout.strips):
        if one.column.spare:
            strips = tuple(kept for kept in strips if kept is not one)
            gone.insert(0, one.header.replace("\n", " "))
            more = f"not shown here: {', '.join(gone)}; a wider terminal or --json has more"
            yield Layout(strips, (*layout.legends, more))
