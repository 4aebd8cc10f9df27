"""Tables as text: what people paste (markdown, latex, html), and what programs read (csv, json, tsv).

Each format is declared once, in `FORMATS`: `--format`, its help and completion, and what `--out` makes of a
file's suffix derive from that list.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.errors import unknown
from deepunlearn_cli.reporting.table import Row, Table

LATEX = {"±": r"$\pm$", "≈": r"$\approx$", "\u2013": "--"}  # pdflatex knows none of them by itself


@dataclass(frozen=True)
class Format:
    """How a table becomes text, and the suffix of files that hold such text.

    `stacks`: whether tables of one schema become one, so that a file has one header line.
    """

    name: str
    text: Callable[[Table], str]
    suffix: str = ""
    stacks: bool = False


def render(table: Table, format: str) -> str:
    """The table as text without a last newline.

    `markdown`, `github`, `latex`, `html` and `tsv` (with a header line) hold the cells that people see; `csv`
    and `json` (one object per line, NaN and infinity as null) hold the plain values of every row.

    Raises:
        NotFound: an unknown format, with suggestions.
    """
    return find_format(format).text(table).rstrip("\n")


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


def render_all(tables: Sequence[Table], format: str) -> str:
    """Several tables as one text."""
    chosen = find_format(format)
    return "\n".join(render(table, format) for table in (stacked(tables) if chosen.stacks else tables))


def stacked(tables: Sequence[Table]) -> list[Table]:
    """Tables with those of one schema made one."""
    whole: dict[str, Table] = {}
    for table in tables:
        first = whole.get(table.name, replace(table, rows=[]))
        whole[table.name] = replace(first, rows=[*first.rows, *table.rows])
    return list(whole.values())


def _tabulated(style: str) -> Callable[[Table], str]:
    def text(table: Table) -> str:
        from tabulate import tabulate

        aligned = ["right" if column.right else "left" for column in table.columns]
        body = _flat(table)
        return tabulate(
            body, _headers(table), style, disable_numparse=True, colalign=aligned if body else None
        )

    return text


def _headers(table: Table) -> list[str]:
    """The headers, each on one line."""
    return [" ".join(header.split()) for header in table.headers()]


def _flat(table: Table) -> list[list[str]]:
    """The cells, each on one line."""
    return [[" ".join(cell.split()) for cell in row] for row in table.cells()]


def _markdown(table: Table) -> str:
    body = _tabulated("github")(table)
    return "\n\n".join([body, "\n".join(f"- {note}" for note in table.notes)]) if table.notes else body


def _github(table: Table) -> str:
    """For a job's summary (`>> $GITHUB_STEP_SUMMARY`): markdown under a heading, pipes in cells escaped."""
    columns = [replace(column, text=partial(_escaped, column.text)) for column in table.columns]
    return f"### {table.title or table.name}\n\n{_markdown(replace(table, columns=columns))}"


def _escaped(text: Callable[[Row], str], row: Row) -> str:
    return text(row).replace("|", "\\|")


def _latex(table: Table) -> str:
    text = _tabulated("latex_booktabs")(table)
    for sign, command in LATEX.items():
        text = text.replace(sign, command)
    return text


def _tsv(table: Table) -> str:
    return "\n".join("\t".join(line) for line in [_headers(table), *_flat(table)])


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
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _json(table: Table) -> str:
    return "\n".join(_json_line({"schema": table.name, **row}) for row in table.rows)


def _json_line(row: Row) -> str:
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


FORMATS = {
    one.name: one
    for one in (
        Format("markdown", _markdown, ".md"),
        Format("github", _github),
        Format("latex", _latex, ".tex"),
        Format("html", _tabulated("html"), ".html"),
        Format("csv", _csv, ".csv", stacks=True),
        Format("json", _json, ".json"),
        Format("tsv", _tsv, ".tsv"),
    )
}
