"""A report as one HTML file that needs nothing else: tables and figures, readable offline and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from textwrap import fill

from deepunlearn_cli import __version__
from deepunlearn_cli.evaluation.removal import Removal
from deepunlearn_cli.reporting import figures
from deepunlearn_cli.reporting.efficiency import efficiency_table
from deepunlearn_cli.reporting.forget_sizes import several_sizes, size_tables
from deepunlearn_cli.reporting.formats import render
from deepunlearn_cli.reporting.measures import MEASURES, PANEL, PAPERS, find_metric
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.removed_classes import class_tables
from deepunlearn_cli.reporting.scores import scores_table
from deepunlearn_cli.reporting.searches import search_figure
from deepunlearn_cli.reporting.sweeps import sweep_table
from deepunlearn_cli.reporting.table import Fields, Row, Table

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px }
.wide { overflow-x: auto }
th, td { padding: .2rem .55rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap }
th { border-bottom: 2px solid #888 } tr:hover td { background: #f4f7fa }
ul { font-size: 13px; color: #555 } svg { max-width: 100%; height: auto }
footer { color: #777; font-size: 13px }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } svg { break-inside: avoid } }
"""


def report_page(
    records: Sequence[Record],
    ulira: Sequence[Row],
    removals: Mapping[str, Removal] | None = None,
    sweeps: Sequence[Row] = (),
) -> str:
    """Table 1, Table 2, the scores, and their figures; the studies of forget sizes and of removed classes.

    Args:
        records: every model run.
        ulira: rows of U-LiRA with histograms.
        removals: what models say of removed classes, by run id.
        sweeps: searches, as `sweep.summaries` gives them.

    Raises:
        NotFound: as `rank` and `efficiency_table`.
        UsageFailure: matplotlib is not installed.
    """
    figures.check_installed()
    ranking, efficiency = rank(records), efficiency_table(records)
    sections = [
        _section(ranking, [*_trade_offs(ranking), _group_map(ranking)]),
        _section(efficiency, _speeds(efficiency)),
        _section(scores_table(records), []),
        *(_sizes(size_tables(records)) if several_sizes(records) else []),
        *([_removed(table) for table in class_tables(records, removals)] if removals else []),
        *([_ulira(ulira)] if ulira else []),
        *(_searches(sweeps) if sweeps else []),
    ]
    head = f'<meta charset="utf-8"><title>deepunlearn report</title><style>{STYLE}</style>'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    made = f"<footer>{len(records)} runs · deepunlearn {escape(__version__)}</footer>"
    body = "\n".join(sections)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}{view}</head>\n'
        f"<body><h1>deepunlearn report</h1>\n{body}\n{made}</body></html>\n"
    )


def _section(table: Table, drawn: Sequence[str]) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    text = f'<h2>{escape(table.title)}</h2>\n<div class="wide">{render(table, "html")}</div>'
    return "\n".join([text, *drawn, f"<ul>{notes}</ul>" if notes else ""])


def _trade_offs(ranking: Table) -> list[str]:
    return [
        figures.inline(
            figures.trade_off(_of_pair(ranking.rows, pair), pair, *map(find_metric, PAPERS)),
            f"Retention deviation against indiscernibility, {escape(pair)}",
        )
        for pair in _pairs(ranking.rows)
    ]


def _group_map(ranking: Table) -> str:
    rows, pairs = [row for row in ranking.rows if not row["control"]], _pairs(ranking.rows)
    columns = [
        (pair, name, f"{find_metric(name).title}\n{fill(pair, 18)}") for name in PAPERS for pair in pairs
    ]
    return figures.inline(figures.group_map(rows, columns), "Groups by retention and indiscernibility")


def _speeds(efficiency: Table) -> list[str]:
    pairs = list(dict.fromkeys(row["pair"] for row in efficiency.rows))
    return [
        figures.inline(
            figures.speeds([row for row in efficiency.rows if row["pair"] == pair], pair),
            f"Run-time efficiency, {escape(pair)}",
        )
        for pair in pairs
        if any(row["pair"] == pair and not row["control"] for row in efficiency.rows)
    ]


def _ulira(rows: Sequence[Row]) -> str:
    drawn = figures.inline(figures.ulira_figure(rows), "U-LiRA accuracy per sample by method")
    return f"<h2>U-LiRA: accuracy per sample</h2>\n{drawn}"


def _sizes(tables: Sequence[Table]) -> list[str]:
    """The tables of every dataset and model, and after its last table the figure."""
    sections = []
    for pair, group in groupby(tables, key=lambda table: table.rows[0]["pair"]):
        *others, last = whole = list(group)
        measures = [(MEASURES[table.rows[0]["measure"]], table) for table in whole]
        panels = [figures.Panel(measure, table.rows) for measure, table in measures if PANEL in measure.shown]
        shares = [float(name.removesuffix("_mean")) for name in last.rows[0] if name.endswith("_mean")]
        drawn = figures.inline(
            figures.size_curves(panels, shares, f"Against the share that is forgotten: {pair}"),
            f"Measures against the share that is forgotten, {escape(pair)}",
        )
        sections += [*(_section(table, []) for table in others), _section(last, [drawn])]
    return sections


def _removed(table: Table) -> str:
    label = escape(table.title)
    return _section(table, [figures.inline(figures.answer_map(table.rows, table.title), label)])


def _searches(rows: Sequence[Row]) -> list[str]:
    """The table of all searches, and a figure of each."""
    drawn = []
    for row in rows:
        title = f"{row['method']}: {row['dataset']} {row['model']} {row['forget']} ({row['sampler']})"
        drawn.append(figures.inline(search_figure(row, title), f"Search of {escape(title)}"))
    return [_section(sweep_table(rows), drawn)]


def _pairs(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(one["pair"] for row in rows for one in row["pairs"]))


def _of_pair(rows: Sequence[Row], pair: str) -> list[Fields]:
    return [
        dict(one) | {"label": row["label"], "control": row["control"]}
        for row in rows
        for one in row["pairs"]
        if one["pair"] == pair
    ]
