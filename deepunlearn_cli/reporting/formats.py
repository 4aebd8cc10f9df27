"""Tables as text: what people paste (markdown, latex, html), and what programs read (csv, json, jsonl, tsv).

Each format is declared once, in `FORMATS`: `--format`, its help and completion, and what `--out` makes of a
file's suffix derive from that list.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.errors import unknown
from deepunlearn_cli.core.names import guarded, in_json, printable
from deepunlearn_cli.reporting.findings import junit, listed
from deepunlearn_cli.reporting.table import Row, Table

GITHUB = "github"  # for a job's summary

# what pdflatex does not know by itself, or prints as something else
LATEX = {"±": r"$\pm$", "≈": r"$\approx$", "\u2013": "--", "|": r"\textbar{}"}


LINES = "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"  # what ends a line or a cell


@dataclass(frozen=True)
class Format:
    """How tables become one text, and the suffix of files that hold such text."""

    name: str
    text: Callable[[Sequence[Table]], str]
    suffix: str = ""


def render(table: Table, format: str) -> str:
    """The table as text without a last newline; see `render_all`."""
    return render_all([table], format)


def render_all(tables: Sequence[Table], format: str) -> str:
    """Tables as one text without a last newline.

    `markdown`, `github`, `latex`, `html` and `tsv` (with a header line) hold the cells that people see; `csv`
    (one header line for all tables of a schema), `json` (one list of objects, whatever the number of tables)
    and `jsonl` (an object per line) hold the plain values of every row, NaN and infinity as null.

    Raises:
        NotFound: an unknown format, with suggestions.
    """
    return find_format(format).text(tables).rstrip("\n")


def find_format(name: str) -> Format:
    """A format by name.

    Raises:
        NotFound: an unknown one, with suggestions.
    """
    if name not in FORMATS:
        raise unknown("format", name, FORMATS, f"formats: {', '.join(FORMATS)}")
    return FORMATS[name]


def format_of(path: Path) -> str:
    """The format that a file's suffix stands for; `tsv` for any other."""
    return next((one.name for one in FORMATS.values() if one.suffix and one.suffix == path.suffix), "tsv")


def stacked(tables: Sequence[Table]) -> list[Table]:
    """Tables with those of one schema made one."""
    whole: dict[str, Table] = {}
    for table in tables:
        first = whole.get(table.name, replace(table, rows=[]))
        whole[table.name] = replace(first, rows=[*first.rows, *table.rows])
    return list(whole.values())


def _each(text: Callable[[Table], str]) -> Callable[[Sequence[Table]], str]:
    """One table after the other."""
    return lambda tables: "\n".join(text(table).rstrip("\n") for table in tables)


def _tabulated(style: str) -> Callable[[Table], str]:
    def text(table: Table) -> str:
        from tabulate import tabulate

        table = table.told()
        aligned = ["right" if column.right else "left" for column in table.columns]
        body = _flat(table)
        return tabulate(
            body, _headers(table), style, disable_numparse=True, colalign=aligned if body else None
        )

    return text


def _headers(table: Table) -> list[str]:
    """The headers, each on one line."""
    return [_on_one_line(header) for header in table.headers()]


def _flat(table: Table) -> list[list[str]]:
    """The cells, each on one line."""
    return [[_on_one_line(cell) for cell in row] for row in table.cells()]


def _on_one_line(text: str) -> str:
    """A text without what ends a line or a cell; spaces within a name stay as they are."""
    return re.sub(r"\s*[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]\s*", " ", printable(text, keep=LINES)).strip()


def _markdown(table: Table) -> str:
    """With what would end a cell escaped."""
    table = table.told()
    columns = [
        replace(column, header=_piped(column.header), text=partial(_escaped, column.text))
        for column in table.columns
    ]
    body = _tabulated("github")(replace(table, columns=columns))
    return (
        "\n\n".join([body, "\n".join(f"- {_on_one_line(note)}" for note in table.notes)])
        if table.notes
        else body
    )


def _github(table: Table) -> str:
    """For a job's summary: markdown under a heading, the answers first."""
    head = f"### {_on_one_line(table.title or table.name)}"
    return "\n\n".join(filter(None, (head, listed(table), _markdown(table))))


def _escaped(text: Callable[[Row], str], row: Row) -> str:
    return _piped(text(row))


def _piped(text: str) -> str:
    return text.replace("|", "\\|")


def _latex(table: Table) -> str:
    text = _tabulated("latex_booktabs")(table)
    for sign, command in LATEX.items():
        text = text.replace(sign, command)
    return text


def _tsv(table: Table) -> str:
    table = table.keyed()
    return "\n".join("\t".join(line) for line in [_headers(table), *_flat(table)])


def _csvs(tables: Sequence[Table]) -> str:
    return _each(_csv)(stacked(tables))


def _csv(table: Table) -> str:
    names = list(dict.fromkeys(name for row in table.rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_csv_cell(row.get(name)) for name in names] for row in table.rows)
    return text.getvalue()


def _csv_cell(value: object) -> object:
    """Text of a plain value: empty for unknown, lists of texts joined by spaces, anything deeper as JSON."""
    value = _plain(value)
    if isinstance(value, str):
        return _inert(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return _inert(" ".join(value))
    return in_json(json.dumps(value, ensure_ascii=False)) if isinstance(value, list | dict) else value


def _inert(text: str) -> str:
    """A text in which nothing acts, neither on a terminal nor in a spreadsheet."""
    return guarded(printable(text))


def _json_lines(tables: Sequence[Table]) -> list[str]:
    return [_json_object({"schema": table.name, **row}) for table in tables for row in table.rows]


def _jsonl(tables: Sequence[Table]) -> str:
    return "\n".join(_json_lines(tables))


def _json(tables: Sequence[Table]) -> str:
    """One document: a list of what `_jsonl` has on its lines."""
    lines = ",\n".join(_json_lines(tables))
    return f"[\n{lines}\n]" if lines else "[]"


def _json_object(row: Row) -> str:
    try:
        return in_json(_STRICT.encode(row))
    except (ValueError, TypeError):  # NaN, or NumPy's numbers: rare, and far slower to look for than to meet
        return in_json(_STRICT.encode(_plain(row)))


# ASCII alone, which every stdout can take as it is: an escape of a stream's own would be no JSON.
_STRICT = json.JSONEncoder(ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    """`value` with NaN and infinities as None and NumPy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


FORMATS = {
    one.name: one
    for one in (
        Format("markdown", _each(_markdown), ".md"),
        Format(GITHUB, _each(_github)),
        Format("junit", junit, ".xml"),
        Format("latex", _each(_latex), ".tex"),
        Format("html", _each(_tabulated("html")), ".html"),
        Format("csv", _csvs, ".csv"),
        Format("json", _json, ".json"),
        Format("jsonl", _jsonl, ".jsonl"),
        Format("tsv", _each(_tsv), ".tsv"),
    )
}
