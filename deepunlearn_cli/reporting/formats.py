"""Tables as text: what people paste (markdown, latex, html), and what programs read (csv, json, tsv)."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deepunlearn_cli.core.errors import unknown
from deepunlearn_cli.reporting.table import Table

LATEX = {"±": r"$\pm$", "≈": r"$\approx$", "\u2013": "--"}  # pdflatex knows none of them by itself


def render(table: Table, format: str) -> str:
    """The table as text without a last newline.

    `markdown`, `latex`, `html` and `tsv` (with a header line) hold the cells that people see; `csv` and
    `json` (one object per line, NaN and infinity as null) hold the plain values of every row.

    Raises:
        NotFound: an unknown format, with suggestions.
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS, f"formats: {', '.join(FORMATS)}")
    return FORMATS[format](table).rstrip("\n")


def stacked(tables: Sequence[Table]) -> list[Table]:
    """Tables with those of one schema made one, so that a file has one header line."""
    held: dict[str, Table] = {}
    for table in tables:
        first = held.get(table.name, replace(table, rows=[]))
        held[table.name] = replace(first, rows=[*first.rows, *table.rows])
    return list(held.values())


def _tabulated(style: str) -> Callable[[Table], str]:
    def text(table: Table) -> str:
        from tabulate import tabulate

        aligned = ["right" if column.right else "left" for column in table.columns]
        body = _flat(table)
        return tabulate(
            body, table.headers(), style, disable_numparse=True, colalign=aligned if body else None
        )

    return text


def _flat(table: Table) -> list[list[str]]:
    """The cells, each on one line."""
    return [[" ".join(cell.split()) for cell in row] for row in table.cells()]


def _markdown(table: Table) -> str:
    body = _tabulated("github")(table)
    return "\n\n".join([body, "\n".join(f"- {note}" for note in table.notes)]) if table.notes else body


def _latex(table: Table) -> str:
    text = _tabulated("latex_booktabs")(table)
    for sign, command in LATEX.items():
        text = text.replace(sign, command)
    return text


def _tsv(table: Table) -> str:
    return "\n".join("\t".join(line) for line in [table.headers(), *_flat(table)])


def _csv(table: Table) -> str:
    names = list(dict.fromkeys(name for row in table.rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_csv_cell(row.get(name)) for name in names] for row in table.rows)
    return text.getvalue()


def _csv_cell(value: Any) -> Any:
    """Text of a plain value: empty for unknown, lists of texts joined by spaces, anything deeper as JSON."""
    value = _plain(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _json(table: Table) -> str:
    return "\n".join(_json_line({"schema": table.name, **row}) for row in table.rows)


def _json_line(row: Mapping[str, Any]) -> str:
    try:
        return _STRICT.encode(row)
    except (ValueError, TypeError):  # NaN, or NumPy's numbers: rare, and far slower to look for than to meet
        return _STRICT.encode(_plain(row))


_STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """`value` with NaN and infinities as None and NumPy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "markdown": _markdown,
    "latex": _latex,
    "html": _tabulated("html"),
    "csv": _csv,
    "json": _json,
    "tsv": _tsv,
}
