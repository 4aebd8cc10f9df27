"""Records from U-LiRA's analyses: one per method and split, so that Table 1 ranks and resamples splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.reporting.records import Record

CONFIDENCE = "confidence"  # the statistic that ranks


def ulira_records(rows: Iterable[IndexRow], titles: Mapping[str, str]) -> list[Record]:
    """The accuracy of the attack in every split, of every analysis among index rows; `seed` is the split.

    Analyses of one dataset, model and training make a pair, whatever their numbers of models; the ranking
    takes the newest of a method. Those of 0/1 correctness are another measure and left out, as are those
    that are `outdated`.
    """
    analyses = [row for row in rows if row["name"] == "ulira" and row["status"] == "done" and _ours(row)]
    return [
        _record(row, split, accuracy, titles)
        for row in analyses
        for split, accuracy in enumerate(row["scores"].get("by_split", ()))
        if accuracy is not None
    ]


def outdated(rows: Iterable[IndexRow]) -> int:
    """How many methods are left out, as their analyses are older and fitted other variances."""
    done = [row for row in rows if row["name"] == "ulira" and row["status"] == "done"]
    return len({_which(row) for row in done} - {_which(row) for row in done if _current(row)})


def _which(row: IndexRow) -> tuple[str, str | None, str]:
    return row["setting"], row["method"], row["params"].get("statistic", CONFIDENCE)


def _current(row: IndexRow) -> bool:
    """Whether it is by the revision that has other attacks beside it."""
    return "auc_online" in row["scores"]


def _ours(row: IndexRow) -> bool:
    return _current(row) and row["params"].get("statistic", CONFIDENCE) == CONFIDENCE


def _record(row: IndexRow, split: int, accuracy: float, titles: Mapping[str, str]) -> Record:
    method = row["method"] or ""
    return Record(
        id=row["id"],
        pair_key=(row["setting"], ""),
        dataset=row["dataset"],
        model=row["model"],
        forget_label="U-LiRA",
        method=method,
        title=titles.get(method, method),
        config="",
        seed=split,
        status="done",
        reason="",
        created=row["created"] or 0.0,
        ulira=accuracy,
    )
