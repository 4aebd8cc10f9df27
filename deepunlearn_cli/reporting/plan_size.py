"""A plan as a table: how many runs of each kind, how many are there, how long the rest may take."""

from __future__ import annotations

from collections.abc import Sequence

from deepunlearn_cli.core.facts import FACTS, Fact
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Row, Table

PEAKS = ("peak_memory", "peak_device_memory")
NO_RUN = "no run of these pairs is in this store"
MODEL_KINDS = ("search trials", "models")  # what the paper counts as its unlearned models


def plan_sizes(rows: Sequence[Row], jobs: int, given: str | None, cards: int = 1) -> list[Table]:
    """The plan by kinds of runs; where somebody gave a throughput, what each pair takes at that, too."""
    return [plan_size(rows, jobs, given), *([plan_hours(rows, cards)] if given else [])]


def plan_hours(rows: Sequence[Row], cards: int = 1) -> Table:
    """A row per dataset and model: `pictures` to go, `seconds` on one machine and on so many `cards`."""
    pairs = dict.fromkeys((row["dataset"], row["model"]) for row in rows)
    told = [_pair(*pair, [r for r in rows if (r["dataset"], r["model"]) == pair], cards) for pair in pairs]
    if len(told) > 1:
        told.append(_pair("all", "", rows, cards))
    columns = [
        Column("dataset", lambda r: str(r["dataset"])),
        Column("model", lambda r: str(r["model"])),
        Column("M pictures", lambda r: _millions(r["pictures"]), right=True),
        Column("minutes", lambda r: _minutes(r["seconds"]), right=True),
        Column("hours", lambda r: _hours(r["seconds"]), right=True),
    ]
    if cards > 1:
        columns.append(Column(f"hours on {cards} cards", lambda r: _hours(r["seconds_on_cards"]), right=True))
    said = "pictures: training and evaluation to go, a forward pass without a backward one a third; attacks "
    return Table("deepunlearn.plan-hours/1", "", columns, told, [said + "and start-up come on top"])


def _pair(dataset: str, model: str, rows: Sequence[Row], cards: int) -> Row:
    """What training and evaluation of some rows take; nothing is said of it where a part is unknown."""
    ours = [row for row in rows if row["kind"] != "attacks"]
    pictures = _sum([row[name] for row in ours for name in ("pictures", "evaluated")])
    seconds = _sum([row["seconds"] for row in ours])
    several = None if seconds is None else seconds / cards
    told = {"dataset": dataset, "model": model, "pictures": pictures, "seconds": seconds}
    return {**told, "cards": cards, "seconds_on_cards": several}


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def plan_size(rows: Sequence[Row], jobs: int = 1, given: str | None = None) -> Table:
    """Rows: `dataset`, `model`, `kind`, `runs`, `there`, `epochs` (each); `pictures`, `seconds`.

    The last are of the missing; so is `evaluated`, the pictures of evaluation. `given` is the throughput that
    seconds go by, if somebody gave one.

    A peak of memory, in bytes, is a fact's (`core.facts`); it has a column where any is known. `jobs` are the
    runs at a time that `seconds` is for.
    """
    peaks = [FACTS[name] for name in PEAKS if any(row[name] for row in rows)]
    columns = [
        Column("dataset", lambda r: str(r["dataset"])),
        Column("model", lambda r: str(r["model"])),
        Column("kind", lambda r: str(r["kind"])),
        Column("runs", lambda r: f"{r['runs']:,}", right=True),
        Column("there", lambda r: f"{r['there']:,}", right=True),
        Column("epochs each", lambda r: f"{r['epochs']:.1f}" if r["epochs"] else UNKNOWN, right=True),
        *_counted(given),
        Column("hours to go", lambda r: _hours(r["seconds"]), right=True),
        *map(_peak, peaks),
    ]
    return Table("deepunlearn.plan-size/1", "", columns, rows, _notes(rows, jobs, given))


def _peak(fact: Fact) -> Column:
    def text(row: Row) -> str:
        value = row[fact.name]
        return UNKNOWN if value is None else f"{value * fact.scale:,.0f}"

    return Column(fact.title, text, right=True)


def _counted(given: str | None) -> list[Column]:
    """Pictures and minutes, where somebody asks by throughput."""
    if not given:
        return []
    return [
        Column("M trained on", lambda r: _millions(r["pictures"]), right=True),
        Column("M evaluated", lambda r: _millions(r["evaluated"]), right=True),
        Column("minutes to go", lambda r: _minutes(r["seconds"]), right=True),
    ]


def _millions(pictures: float | None) -> str:
    return UNKNOWN if pictures is None else f"{pictures / 1e6:,.1f}"


def _minutes(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds / 60:,.1f}"


def _hours(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else f"{seconds / 3600:,.2f}"


def _notes(rows: Sequence[Row], jobs: int, given: str | None) -> list[str]:
    pairs = len({(row["dataset"], row["model"]) for row in rows})
    kinds = dict.fromkeys(row["kind"] for row in rows)
    totals = {kind: sum(row["runs"] for row in rows if row["kind"] == kind) for kind in kinds}
    unlearned = sum(totals.get(kind, 0) for kind in MODEL_KINDS)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in totals.items())
    said = f"{unlearned:,} unlearned models (search trials and models)"
    runs, there = (sum(row[name] for row in rows) for name in ("runs", "there"))
    return [
        f"{pairs} pair{'s' * (pairs > 1)}: {counts}; {said}",
        f"{runs:,} runs in all: {there:,} there already, {runs - there:,} to make; failed trials, and what "
        "is made again because other work shared the machine, come on top; a choice that is there takes none",
        _time(rows, jobs, given),
    ]


def _time(rows: Sequence[Row], jobs: int, given: str | None) -> str:
    missing = [row for row in rows if row["there"] < row["runs"]]
    known = [row["seconds"] for row in missing if row["seconds"] is not None]
    if missing and not known:
        return f"hours to go are unknown: {'no throughput of these models' if given else NO_RUN} to go by"
    company = "one run at a time" if jobs == 1 else f"{jobs} runs at a time"
    lacking = ", ".join(dict.fromkeys(str(row["kind"]) for row in missing if row["seconds"] is None))
    rest = f"; more for {lacking}, of which no run is in this store" if lacking else ""
    if given:
        return f"about {sum(known) / 60:,.1f} minutes to go at {given} pictures/s{rest}"
    return (
        f"about {sum(known) / 3600:,.2f} hours to go, by what such runs took in this store, {company}{rest}"
    )
