"""Records from U-LiRA's analyses: one per method and split, so that Table 1 ranks and resamples splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.reporting.records import Record


def ulira_records(
    rows: Iterable[IndexRow], titles: Mapping[str, str], dataset: str | None = None, model: str | None = None
) -> list[Record]:
    """The accuracy of the attack in every split, of every analysis among index rows; `seed` is the split.

    Analyses of one dataset, model and training make a pair, whatever their numbers of models; the ranking
    takes the newest of a method. Those of 0/1 correctness are another measure and left out.
    """
    analyses = [row for row in rows if row["name"] == "ulira" and row["status"] == "done" and _ours(row)]
    wanted = [row for row in analyses if dataset in (None, row["dataset"]) and model in (None, row["model"])]
    return [
        _record(row, split, accuracy, titles)
        for row in wanted
        for split, accuracy in enumerate(row["scores"].get("by_split", ()))
        if accuracy is not None
    ]


def _ours(row: IndexRow) -> bool:
    return bool(row["params"].get("statistic", "confidence") == "confidence")


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
        created=row["created"],
        ulira=accuracy,
    )
