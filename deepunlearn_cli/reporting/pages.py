"""A report as one HTML file that needs nothing else: tables and figures, readable offline and on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING

from deepunlearn_cli import __version__
from deepunlearn_cli.evaluation.removal import Removal
from deepunlearn_cli.reporting import figures
from deepunlearn_cli.reporting.efficiency import efficiency_table
from deepunlearn_cli.reporting.forget_sizes import several_sizes, size_tables
from deepunlearn_cli.reporting.formats import render
from deepunlearn_cli.reporting.measures import MEASURES, PANEL, PAPERS, find_metric
from deepunlearn_cli.reporting.page_style import page, text
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.removed_classes import class_tables
from deepunlearn_cli.reporting.scores import scores_table
from deepunlearn_cli.reporting.searches import search_figure
from deepunlearn_cli.reporting.sweeps import sweep_table
from deepunlearn_cli.reporting.table import Fields, Row, Table
from deepunlearn_cli.reporting.verdict_sections import verdict_section

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report_page(
    records: Sequence[Record],
    ulira: Sequence[Row],
    removals: Mapping[str, Removal] | None = None,
    sweeps: Sequence[Row] = (),
    verdicts: Sequence[Row] = (),
) -> str:
    """Verdicts, then Table 1, Table 2, the scores, and their figures; studies of sizes and removed classes.

    Args:
        records: every model run.
        ulira: rows of U-LiRA with histograms.
        removals: what models say of removed classes, by run id.
        sweeps: searches, as `sweep.summaries` gives them.
        verdicts: answers as plain data, with `pair`, `label`, `seed` and `bound` (`verdict_sections`).

    Raises:
        NotFound: as `rank` and `efficiency_table`.
        UsageFailure: matplotlib is not installed.
    """
    figures.check_installed()
    ranking, efficiency = rank(records), efficiency_table(records)
    sections = [
        verdict_section(verdicts),
        _section(ranking, [*_trade_offs(ranking), _group_map(ranking)]),
        _section(efficiency, _speeds(efficiency)),
        _section(scores_table(records), []),
        *(_sizes(size_tables(records)) if several_sizes(records) else []),
        *([_removed(table) for table in class_tables(records, removals)] if removals else []),
        *([_ulira(ulira)] if ulira else []),
        *(_searches(sweeps) if sweeps else []),
    ]
    return _page(records, sections)


def rank_page(records: Sequence[Record], ranking: Table, verdicts: Sequence[Row] = ()) -> str:
    """Verdicts, then a ranking with its figures, of whatever measures it is by.

    Raises:
        UsageFailure: matplotlib is not installed.
    """
    figures.check_installed()
    papers = all(f"{name}_mean" in one for row in ranking.rows for one in row["pairs"] for name in PAPERS)
    drawn = [*_trade_offs(ranking), _group_map(ranking)] if papers else []
    return _page(records, [verdict_section(verdicts), _section(ranking, drawn)])


def _page(records: Sequence[Record], sections: Sequence[str]) -> str:
    pairs = len({record.pair_key for record in records})
    made = f"{len(records)} runs · {pairs} pair{'s' * (pairs != 1)} of data, model and forget set"
    about = f'<h1>deepunlearn report</h1>\n<p class="soft">{made}</p>'
    foot = f"<footer>deepunlearn {text(__version__)}</footer>"
    return page("deepunlearn report", "\n".join([about, *sections, foot]))


def _section(table: Table, drawn: Sequence[str]) -> str:
    notes = "".join(f"<li>{text(note)}</li>" for note in table.notes)
    whole = f'<h2>{text(table.title)}</h2>\n<div class="wide">{render(table, "html")}</div>'
    return "\n".join([whole, *drawn, f'<ul class="notes">{notes}</ul>' if notes else ""])


def _drawn(figure: Figure, label: str) -> str:
    return f"<figure>{figures.inline(figure, label)}</figure>"


def _trade_offs(ranking: Table) -> list[str]:
    return [
        _drawn(
            figures.trade_off(_of_pair(ranking.rows, pair), pair, *map(find_metric, PAPERS)),
            f"Retention deviation against indiscernibility, {text(pair)}",
        )
        for pair in _pairs(ranking.rows)
    ]


def _group_map(ranking: Table) -> str:
    rows, pairs = [row for row in ranking.rows if not row["control"]], _pairs(ranking.rows)
    columns = [
        (pair, name, f"{find_metric(name).title}\n{fill(pair, 18)}") for name in PAPERS for pair in pairs
    ]
    return _drawn(figures.group_map(rows, columns), "Groups by retention and indiscernibility")


def _speeds(efficiency: Table) -> list[str]:
    pairs = list(dict.fromkeys(row["pair"] for row in efficiency.rows))
    return [
        _drawn(
            figures.speeds([row for row in efficiency.rows if row["pair"] == pair], pair),
            f"Run-time efficiency, {text(pair)}",
        )
        for pair in pairs
        if any(row["pair"] == pair and not row["control"] for row in efficiency.rows)
    ]


def _ulira(rows: Sequence[Row]) -> str:
    drawn = _drawn(figures.ulira_figure(rows), "U-LiRA accuracy per sample by method")
    return f"<h2>U-LiRA: accuracy per sample</h2>\n{drawn}"


def _sizes(tables: Sequence[Table]) -> list[str]:
    """The tables of every dataset and model, and after its last table the figure."""
    sections = []
    for pair, group in groupby(tables, key=lambda table: table.rows[0]["pair"]):
        *others, last = whole = list(group)
        measures = [(MEASURES[table.rows[0]["measure"]], table) for table in whole]
        panels = [figures.Panel(measure, table.rows) for measure, table in measures if PANEL in measure.shown]
        shares = [float(name.removesuffix("_mean")) for name in last.rows[0] if name.endswith("_mean")]
        drawn = _drawn(
            figures.size_curves(panels, shares, f"Against the share that is forgotten: {pair}"),
            f"Measures against the share that is forgotten, {text(pair)}",
        )
        sections += [*(_section(table, []) for table in others), _section(last, [drawn])]
    return sections


def _removed(table: Table) -> str:
    label = text(table.title)
    return _section(table, [_drawn(figures.answer_map(table.rows, table.title), label)])


def _searches(rows: Sequence[Row]) -> list[str]:
    """The table of all searches, and a figure of each."""
    drawn = []
    for row in rows:
        title = f"{row['method']}: {row['dataset']} {row['model']} {row['forget']} ({row['sampler']})"
        drawn.append(_drawn(search_figure(row, title), f"Search of {text(title)}"))
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
