"""Tables as lines of a terminal: at no width is a number, an id or a word broken within itself.

What does not fit is made narrower step by step: headers in several lines, ids by their first digits, cells
broken between words, what all rows share told once, keys as letters with a legend below, without what can be
spared, figures and their intervals below each other. What then does not fit comes in pieces that repeat the
first columns, or in the end one row after the other as lines of `header value`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from deepunlearn_cli.cli.narrowing import Layout, Strip, lettered, shared, short, spared
from deepunlearn_cli.cli.wrapping import longest, wrapped
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.reporting.table import SHARED

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.table import Table

GUTTER = 2  # columns between two of a table
ROOMY = 24  # columns that text in several lines gets, if it can
MOST_LINES = 6  # of a row, before the table is shown in pieces


Floor = Callable[[Strip], int]  # how narrow a column may be


def fitted(table: Table, width: int) -> tuple[list[list[str]], list[str]]:
    """The pieces of a table, each the lines of its header (with a rule below) and of its body, and notes.

    No line is wider than `width`, and whatever stands between two spaces of a cell and is no wider than that
    is in one piece. A piece without a header is a table that is told row by row.
    """
    told = table.told()
    start = Layout(_strips(table, told))
    for layout, floor in _candidates(start):
        widths = _widths(layout.strips, width, floor)
        if widths and (floor not in (_tight, _spilling) or _height(layout.strips, widths) <= MOST_LINES):
            return [_piece(layout.strips, widths, width)], _notes(layout, told)
    layout = lettered(shared(short(start)))
    pieces = _pieces(layout.strips, width)
    if pieces:
        return pieces, _notes(layout, told)
    return [_records(start.strips, width)], list(told.notes)


def _notes(layout: Layout, told: Table) -> list[str]:
    """What is told below; what all rows share in one line."""
    notes = [*layout.legends, *told.notes]
    shared = ", ".join(note.removeprefix(SHARED) for note in notes if note.startswith(SHARED))
    others = [note for note in notes if not note.startswith(SHARED)]
    return [f"{SHARED}{shared}", *others] if shared else others


def _strips(table: Table, told: Table) -> tuple[Strip, ...]:
    keys = len(told.columns) - len(table.columns)
    texts = [[printable(cell, keep="\n") for cell in row] for row in told.cells()]
    return tuple(
        Strip(
            column,
            tuple(row[place] for row in texts),
            lead=place < told.lead,
            key=place < keys,
            last=place == len(told.columns) - 1,
        )
        for place, column in enumerate(told.columns)
    )


def _candidates(layout: Layout) -> Iterator[tuple[Layout, Floor]]:
    """Narrower and narrower."""
    yield layout, _full
    yield layout, _below
    for step in (short, _same, shared, lettered):
        layout = step(layout)
        yield layout, _roomy
    for fewer in spared(layout):
        yield fewer, _roomy
    yield layout, _tight
    for fewer in spared(layout):
        yield fewer, _tight
    yield layout, _spilling


def _full(strip: Strip) -> int:
    """The header on as few lines as it has."""
    return max(strip.body, *(cell_len(part) for part in strip.header.split("\n")))


def _below(strip: Strip) -> int:
    """The header's words below each other."""
    return max(strip.body, longest(strip.header))


def _roomy(strip: Strip) -> int:
    """Text in several lines, not too short ones; numbers as they are."""
    return _below(strip) if strip.column.right else min(_below(strip), max(strip.unit, ROOMY))


def _tight(strip: Strip) -> int:
    return strip.unit


def _spilling(strip: Strip) -> int:
    """Of the last column, what is too long for it on lines of its own."""
    return min(strip.unit, ROOMY) if strip.last and not strip.column.right else strip.unit


def _same(layout: Layout) -> Layout:
    return layout


def _widths(strips: Sequence[Strip], width: int, floor: Floor) -> list[int] | None:
    """The widths of columns that fit together, the widest made narrower first; None where none do."""
    room = width - GUTTER * (len(strips) - 1)
    floors = [floor(one) for one in strips]
    if sum(floors) > room:
        return None
    widths = [max(least, _below(one)) for one, least in zip(strips, floors, strict=True)]
    while sum(widths) > room:
        places = [place for place, least in enumerate(floors) if widths[place] > least]
        widest = max(places, key=lambda place: widths[place])
        widths[widest] -= 1
    return widths


def _height(strips: Sequence[Strip], widths: Sequence[int]) -> int:
    """Lines of the highest row, besides those that it would always have."""
    return max(
        (
            len(wrapped(cell, width)) - cell.count("\n")
            for one, width in zip(strips, widths, strict=True)
            for cell in one.cells
            if longest(cell) <= width
        ),
        default=1,
    )


def _piece(strips: Sequence[Strip], widths: Sequence[int], width: int) -> list[str]:
    head = _line(strips, widths, [one.header for one in strips])
    rule = "─" * (sum(widths) + GUTTER * (len(widths) - 1))
    rows = zip(*(one.cells for one in strips), strict=True)
    body = [line for row in rows for line in _spilt(strips, widths, row, width)]
    return ["\n".join(head), rule, *body]


def _spilt(strips: Sequence[Strip], widths: Sequence[int], texts: Sequence[str], width: int) -> list[str]:
    """A row, its last cell below it where that is too long."""
    *others, text = texts
    if longest(text) <= widths[-1]:
        return _line(strips, widths, texts)
    return [*_line(strips, widths, [*others, ""]), *_below_it(text, width)]


def _below_it(text: str, width: int) -> list[str]:
    indent = GUTTER if longest(text) <= width - GUTTER else 0
    return [" " * indent + part for part in wrapped(text, width - indent)]


def _line(strips: Sequence[Strip], widths: Sequence[int], texts: Sequence[str]) -> list[str]:
    """A row as one line or several."""
    parts = [wrapped(text, width) for text, width in zip(texts, widths, strict=True)]
    lines = []
    for number in range(max(map(len, parts))):
        cells = [
            _padded(part[number] if number < len(part) else "", width, right=one.column.right)
            for part, width, one in zip(parts, widths, strips, strict=True)
        ]
        lines.append((" " * GUTTER).join(cells).rstrip())
    return lines


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def _pieces(strips: Sequence[Strip], width: int) -> list[list[str]]:
    """Side by side no longer: the first columns with as many of the others as fit, and again; or nothing."""
    lead = [one for one in strips if one.lead]
    pieces: list[list[Strip]] = []
    for one in strips:
        if one.lead:
            continue
        if pieces and _widths([*lead, *pieces[-1], one], width, _roomy):
            pieces[-1].append(one)
        elif _widths([*lead, one], width, _tight):
            pieces.append([one])
        else:
            return []
    shown = [[*lead, *others] for others in pieces]
    widths = [_widths(one, width, _roomy) or _widths(one, width, _tight) or [] for one in shown]
    if any(_height(one, each) > MOST_LINES for one, each in zip(shown, widths, strict=True)):
        return []
    return [_piece(one, each, width) for one, each in zip(shown, widths, strict=True)]


def _records(strips: Sequence[Strip], width: int) -> list[str]:
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
        return [*wrapped(header, width), *_below_it(text, width)]
    parts = wrapped(text, width - indent)
    return [f"{header if not number else '':{indent}}{part}".rstrip() for number, part in enumerate(parts)]
