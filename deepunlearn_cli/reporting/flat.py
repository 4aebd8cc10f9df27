"""Runs as flat rows, for spreadsheets, data frames and experiment trackers."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from numbers import Real
from pathlib import Path
from typing import Any, TypedDict

from deepunlearn_cli.core.extras import need
from deepunlearn_cli.core.facts import FACTS
from deepunlearn_cli.core.names import guarded, printable
from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.reporting.table import Fields

FILES = ("csv", "parquet")
ABOUT = (
    "id", "kind", "name", "method", "seed", "attempt", "dataset", "model", "forget_label", "forget",
    "precision", "augment", "setting", "target", "status", "reason",
)  # fmt: skip


class CurveRow(TypedDict):
    """A figure of a run's training log; `step` is the epoch, from 1 (or the line, where none is told)."""

    id: str
    step: int
    name: str
    value: float


def run_row(row: IndexRow) -> Fields:
    """A run in one level: what it is, then `created` (UTC, ISO 8601), `param.*`, `score.*` and `fact.*`.

    Scores that are no single value (lists, tables by class) are left to `show --json`.
    """
    values: Mapping[str, Any] = dict(row)
    about = {name: values.get(name) for name in ABOUT}
    made = row["created"]
    about["created"] = datetime.fromtimestamp(made, UTC).isoformat(timespec="seconds") if made else None
    params = _named("param", row["params"])
    facts = _named("fact", {name: values.get(name) for name in FACTS})
    every = about | params | _named("score", row["scores"]) | facts
    return {name: printable(value) if isinstance(value, str) else value for name, value in every.items()}


def curve_rows(run: str, log: Sequence[Mapping[str, Any]]) -> Iterator[CurveRow]:
    """Every figure of a run's training log."""
    for line, entry in enumerate(log, start=1):
        step = int(entry.get("epoch", line))
        for name, value in _numbers(entry):
            if name != "epoch":
                yield {"id": run, "step": step, "name": name, "value": value}


def check_format(form: str) -> None:
    """Refuse, before any work, what cannot be written here.

    Raises:
        UsageFailure: parquet without its library.
    """
    if form == "parquet":
        need("pyarrow", "parquet", "--to parquet needs")


def write(folder: Path, form: str, runs: Sequence[Fields], curves: Iterable[CurveRow]) -> list[Path]:
    """Write `runs` and `curves`, a table each, into a folder that is there; gives the two paths.

    Each file takes its place by one rename, so a killed process leaves the one that was there.

    Raises:
        OSError: they cannot be written.
    """
    import pandas as pd

    frames = {
        "runs": pd.DataFrame(list(runs)),
        "curves": pd.DataFrame(list(curves), columns=list(CurveRow.__annotations__)),
    }
    paths = [folder / f"{name}.{form}" for name in frames]
    for path, frame in zip(paths, frames.values(), strict=True):
        content = io.BytesIO()
        if form == "csv":
            frame.map(_inert).to_csv(content, index=False)
        else:
            frame.to_parquet(content, index=False)
        write_whole(path, content.getvalue())
    return paths


def _inert(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value


def _named(kind: str, values: Mapping[str, Any]) -> Fields:
    return {f"{kind}.{name}": value for name, value in values.items() if _single(value)}


def _single(value: object) -> bool:
    return value is None or isinstance(value, (str, bool, Real))


def _numbers(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in entry.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{name}.")
        elif isinstance(value, Real) and not isinstance(value, bool):
            yield f"{prefix}{name}", float(value)
