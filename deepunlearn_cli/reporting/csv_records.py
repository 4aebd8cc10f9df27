"""Records from a CSV of figures made elsewhere, to rank what another code (or paper) reports."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.recipe import CONTROLS, DO_NOTHING, RETRAIN
from deepunlearn_cli.reporting.csv_rows import ACCURACIES, ATTACKS, NEEDED, Line, lines, shares
from deepunlearn_cli.reporting.quoted import PAPERS
from deepunlearn_cli.reporting.records import Record

# what the released benchmark's code calls the methods (arXiv 2410.01276)
BENCHMARK = {
    "original": DO_NOTHING, "naive": RETRAIN, "finetune": "ft", "gradient_ascent": "ga", "fisher": "ff",
    "successive_random_labels": "srl", "bad_teacher": "bt", "scrubv2": "scrub", "influence": "iu",
    "neggradplus": "ngplus", "kgltop1": "fcs", "kgltop2": "msg", "kgltop3": "cfw", "kgltop4": "prmq",
    "kgltop5": "ct", "kgltop6": "kde", "kgltop7": "rni",
}  # fmt: skip
REASON = 60  # characters of a reason that are shown

Figures = Mapping[tuple[int, str], float]  # by line and column


def read(
    path: Path,
    titles: Mapping[str, str],
    dataset: str | None = None,
    model: str | None = None,
    classes: Mapping[str, int] | None = None,
    methods: Collection[str] | None = None,
) -> list[Record]:
    """A record per row; accuracies as shares or percent, empty for unknown.

    The rows of method `retrain` are the references, one per seed. Methods are known by their names, their
    titles and what the released benchmark calls them; others keep their names. `classes` has the number by
    dataset, for a file without such a column; `methods` are those wanted, controls aside.

    Raises:
        NotFound: no such file, or no row of this dataset and model.
        UsageFailure: missing columns, a value that cannot be, shares beside percent, two rows of one method
            and seed, or no retrained model; the message names the line.
    """
    rows = lines(path)
    figures = shares(rows, ACCURACIES) | shares(rows, ATTACKS)
    names = {title.lower(): name for name, title in titles.items()} | BENCHMARK | {n: n for n in titles}
    records = [_record(row, names, titles, figures, classes or {}) for row in rows]
    _check_unique(path, records)
    wanted = [r for r in records if dataset in (None, r.dataset) and model in (None, r.model)]
    if methods is not None:
        wanted = _of_methods(path, wanted, methods)
    if not wanted:
        raise _none_wanted(path, records)
    if not any(record.method == RETRAIN for record in wanted):
        raise UsageFailure(f"{path} has no row of method {RETRAIN}", "add one per seed: it is the reference")
    return wanted


def _of_methods(path: Path, records: Sequence[Record], methods: Collection[str]) -> list[Record]:
    if not any(record.method in methods for record in records):
        there = ", ".join(sorted({record.method for record in records}))
        raise NotFound(f"{path} has no row of {', '.join(methods)}", f"it has: {there}")
    return [record for record in records if record.method in (*methods, *CONTROLS)]


def _none_wanted(path: Path, records: Sequence[Record]) -> Failure:
    known = sorted({f"{record.dataset} {record.model}" for record in records})
    hint = f"it has: {', '.join(known)}" if known else f"a row per method and seed: {', '.join(NEEDED)}"
    return NotFound(f"{path} has no row{' of this dataset and model' if known else ''}", hint)


def _check_unique(path: Path, records: Sequence[Record]) -> None:
    seen: dict[tuple[str, str, str, int], Record] = {}
    for record in records:
        known = seen.setdefault((record.dataset, record.model, record.method, record.seed), record)
        if known is not record:
            where = f"{record.title} of seed {record.seed} on {record.dataset} {record.model}"
            raise UsageFailure(
                f"{path}: {known.id} and {record.id} are both {where}",
                "one row for each; other settings of a method need a name of their own",
            )


def _record(
    row: Line,
    names: Mapping[str, str],
    titles: Mapping[str, str],
    figures: Figures,
    classes: Mapping[str, int],
) -> Record:
    dataset, model, given = row.name("dataset"), row.name("model"), row.name("method")
    method = names.get(given.lower(), given)
    ours = {column: figures.get((row.number, column)) for column in (*ACCURACIES, *ATTACKS)}
    return Record(
        id=f"line-{row.number}",
        pair_key=(f"{dataset} {model}", ""),
        dataset=dataset,
        model=model,
        forget_label="",
        method=method,
        title=titles.get(method, given),
        config="",
        seed=_seed(row),
        status="failed" if row.failed else "done",
        reason=_reason(row) if row.failed else "",
        created=float(row.number),
        RA=ours["RA"],
        FA=ours["FA"],
        VA=ours["VA"],
        TA=ours["TA"],
        umia=ours["U-MIA"],
        umias=_attacks(ours),
        facts=_facts(row, method) | {"classes": _classes(row) or classes.get(dataset.lower())},
        file=str(row.path),
    )


def _attacks(figures: Mapping[str, float | None]) -> dict[tuple[str, str], float]:
    kinds = {PAPERS: figures["U-MIA"], ("val", PAPERS[1]): figures["Val MIA"]}
    return {kind: value for kind, value in kinds.items() if value is not None}


def _seed(row: Line) -> int:
    if (seed := row.whole("seed")) is None:
        raise row.refused("the column seed is empty", "0, 1, ...")
    return seed


def _classes(row: Line) -> int | None:
    count = row.whole("classes")
    if count is not None and count < 2:
        raise row.refused(f"{count} classes", "two or more, or empty if unknown")
    return count


def _facts(row: Line, method: str) -> dict[str, Any]:
    """What Table 2 looks at. Doing nothing costs nothing: a time beside it is that of training."""
    work = 0 if method == DO_NOTHING else row.amount("work")
    return {"seconds": row.amount("seconds"), "work": work, "device": row.text("device")}


def _reason(row: Line) -> str:
    """Why it failed: its status where that is more than the word, and the first line that says anything."""
    said = next(iter(row.text("reason").splitlines()), "").strip(" :")
    status = row.text("status")
    parts = [status if status.lower() != "failed" or not said else "", said]
    text = ": ".join(part for part in parts if part)
    return text if len(text) <= REASON else f"{text[:REASON]}..."
