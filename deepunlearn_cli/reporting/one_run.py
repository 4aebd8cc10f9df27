"""One model run on a page: every measure beside the retrained and the do-nothing model of the same seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.reporting.columns import place_columns, place_of
from deepunlearn_cli.reporting.measures import SHEET, Measure, measures_of
from deepunlearn_cli.reporting.pairs import Pair, pairs
from deepunlearn_cli.reporting.records import Record
from deepunlearn_cli.reporting.spreads import noise
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Fields, Row, Table

CONTROLS = ("retrained", "original")  # the original stands for doing nothing


def run_table(records: Sequence[Record], run_id: str) -> Table:
    """A row per measure: the run, its controls, the gap to the retrained model, and the noise of retraining.

    Raises:
        NotFound: the run made no unlearned or retrained model.
    """
    pair, run = _find(records, run_id)
    columns = [
        Column("measure", lambda row: str(row["title"])),
        _column("run"),
        Column("95 %", _ends, right=True),
        *[_column(name) for name in CONTROLS],
        Column("gap", _gap, right=True),
        Column("noise", lambda row: _number(row, "noise"), right=True),
    ]
    rows = [_row(measure, pair, run) for measure in measures_of(SHEET)]
    title = f"{run.label} on {pair.label}, seed {run.seed} (run {run.id})"
    keys = [
        Column("run", lambda row: str(row["id"]), id=True),
        *place_columns(rows),
        Column("method", lambda row: str(row["method"])),
        Column("seed", lambda row: str(row["seed"]), right=True),
    ]
    return Table("deepunlearn.report.run/1", title, columns, rows, _notes(pair, run, rows), keys)


def _find(records: Sequence[Record], run_id: str) -> tuple[Pair, Record]:
    for pair in pairs(records):
        for run in pair.runs():
            if run.id == run_id:
                return pair, run
    raise NotFound(
        f"run {run_id} is no unlearned or retrained model", f"deepunlearn show {run_id} tells what it is"
    )


def _row(measure: Measure, pair: Pair, run: Record) -> Fields:
    retrained = pair.retrained.get(run.seed)
    original = _nothing(pair, run)
    figures = {
        "run": _figure(measure, run, retrained),
        "retrained": _figure(measure, retrained, retrained),
        "original": _figure(measure, original, retrained),
    }
    return {
        "measure": measure.name,
        "title": measure.heading,
        "id": run.id,
        "method": run.method,
        "seed": run.seed,
        **place_of([pair]),
        **figures,
        **_intervals(measure, {"run": run, "retrained": retrained, "original": original}),
        "gap": math.nan if measure.ratio else figures["run"] - figures["retrained"],
        "noise": noise(pair, measure) if measure.alone or measure.noisy else math.nan,
        "digits": measure.digits,
        "scale": measure.scale,
    }


def _nothing(pair: Pair, run: Record) -> Record | None:
    """The do-nothing control of a run: of several that of the model it was made from."""
    held = [runs.get(run.seed) for (name, _), runs in pair.methods.items() if name == DO_NOTHING]
    there = [one for one in held if one]
    return next((one for one in there if len(there) == 1 or one.start == run.start), None)


def _figure(measure: Measure, run: Record | None, retrained: Record | None) -> float:
    if run is None or not run.scored or not (measure.alone or retrained):
        return math.nan
    return measure.of(run, run if measure.alone else retrained or run)


def _intervals(measure: Measure, models: Mapping[str, Record | None]) -> Fields:
    """The ends of each model's 95 % interval, NaN where it has none."""
    fields: Fields = {}
    for name, model in models.items():
        ends = measure.interval(model) if model and model.usable else None
        fields[f"{name}_low"], fields[f"{name}_high"] = ends or (math.nan, math.nan)
    return fields


def _column(name: str) -> Column:
    return Column(name, lambda row: _number(row, name), right=True)


def _number(row: Row, name: str) -> str:
    value = row[name]
    return UNKNOWN if math.isnan(value) else f"{value * row['scale']:.{row['digits']}f}"


def _ends(row: Row) -> str:
    ends = [_number(row, f"run_{end}") for end in ("low", "high")]
    return "" if UNKNOWN in ends else "–".join(ends)


def _gap(row: Row) -> str:
    if math.isnan(row["gap"]):
        return UNKNOWN
    near = "≈" if abs(row["gap"]) <= row["noise"] else ""
    return f"{row['gap'] * row['scale']:+.{row['digits']}f}{near}"


def _notes(pair: Pair, run: Record, rows: Sequence[Row]) -> list[str]:
    missing = [] if run.seed in pair.retrained else [f"no retrained model: {pair.cure()}"]
    failed = [] if run.usable else [f"no usable model: {run.fault}"]
    return [
        *failed,
        *missing,
        *(_absent(pair, run, rows) if run.usable else []),
        "95 %: of the run's figure, over the pictures that were asked about",
        "gap: the run less the retrained model of its seed; noise: what two retrained models of different "
        "seeds stay within, in 95 % of the pairs; ≈ the gap is within it",
        f"`deepunlearn show {run.id}`: everything on record; `deepunlearn attack umia {run.id}`: a verdict",
    ]


def _absent(pair: Pair, run: Record, rows: Sequence[Row]) -> list[str]:
    """What would make the figures that the run lacks, each cure once."""
    unknown = [one for one, row in zip(measures_of(SHEET), rows, strict=True) if math.isnan(row["run"])]
    cures: dict[str, list[str]] = {}
    for measure in unknown:
        if measure.absent and (measure.alone or run.seed in pair.retrained):
            cures.setdefault(measure.lacking(run), []).append(measure.title)
    return [f"{', '.join(titles)} {UNKNOWN}: {cure}" for cure, titles in cures.items()]
