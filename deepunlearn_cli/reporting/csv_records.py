"""Records from a CSV of figures made elsewhere, to rank what another code (or paper) reports."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.reporting.records import Record

COLUMNS = ("dataset", "model", "method", "seed", "RA", "FA", "VA", "TA", "U-MIA", "seconds")
NEEDED = ("dataset", "model", "method", "seed", "RA", "FA", "TA")
SHARES = ("RA", "FA", "VA", "TA", "U-MIA")


def read(path: Path, titles: Mapping[str, str], dataset: str | None, model: str | None) -> list[Record]:
    """A record per row; accuracies as shares or percent (then all of a column are), empty for unknown.

    The rows of method `retrain` are the references, one per seed; methods that the tool does not know keep
    their names.

    Raises:
        NotFound: no such file.
        UsageFailure: missing columns, or a value that is no number; the message names the line.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}", f"a CSV with the columns {', '.join(COLUMNS)}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
            rows = list(enumerate(reader, start=2))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageFailure(f"{path} is not a CSV: {error}", f"columns: {', '.join(COLUMNS)}") from None
    if missing:
        raise UsageFailure(f"{path} lacks the columns {', '.join(missing)}", f"columns: {', '.join(COLUMNS)}")
    scale = {name: _scale([_number(row, name, line, path) for line, row in rows]) for name in SHARES}
    records = [_record(row, line, path, titles, scale) for line, row in rows]
    wanted = [r for r in records if dataset in (None, r.dataset) and model in (None, r.model)]
    if wanted and not any(r.method == RETRAIN for r in wanted):
        raise UsageFailure(f"{path} has no row of method {RETRAIN}", "add one per seed: it is the reference")
    return wanted


def _record(
    row: Mapping[str, str], line: int, path: Path, titles: Mapping[str, str], scale: Mapping[str, float]
) -> Record:
    shares = {n: None if (v := _number(row, n, line, path)) is None else v * scale[n] for n in SHARES}
    seed, name = _number(row, "seed", line, path), row["method"].strip()
    if seed is None or seed != int(seed):
        raise UsageFailure(f"{path} line {line}: seed {row['seed']!r} is not a whole number", "0, 1, ...")
    method = name if name.lower() not in titles else name.lower()
    return Record(
        id=f"line-{line}",
        pair_key=(f"{row['dataset']} {row['model']}", ""),
        dataset=row["dataset"],
        model=row["model"],
        forget_label="",
        method=method,
        title=titles.get(method, name),
        config="",
        seed=int(seed),
        status="done",
        reason="",
        created=float(line),
        RA=shares["RA"],
        FA=shares["FA"],
        VA=shares["VA"],
        TA=shares["TA"],
        umia=shares["U-MIA"],
        facts={"seconds": _number(row, "seconds", line, path), "device": row.get("device") or ""},
    )


def _number(row: Mapping[str, str], name: str, line: int, path: Path) -> float | None:
    text = (row.get(name) or "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageFailure(
            f"{path} line {line}: {name} {text!r} is not a number", "leave it empty if unknown"
        ) from None


def _scale(values: list[float | None]) -> float:
    """0.01 for a column in percent: one that has a value above 1."""
    return 0.01 if any(value is not None and value > 1 for value in values) else 1.0
