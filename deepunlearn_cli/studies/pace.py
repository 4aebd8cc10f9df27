"""How long runs may take, by what runs of their kind took in this store."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.execution.capacity import BATCH


@dataclass(frozen=True)
class Like:
    """What runs of which there may be some are like.

    Attributes:
        dataset: its label.
        kind, name: as recipes have them.
        params: as recipes have them; None where they are not known yet.
        epochs: mean work of one, in epochs of training.
        batch: pictures in a step; of runs that differ the harmonic mean, by their work.
    """

    dataset: str
    model: str
    kind: str
    name: str
    params: Mapping[str, Any] | None
    epochs: float
    batch: float = BATCH


class Pace:
    """Seconds of the machine that runs take: of several at a time, each takes its share.

    Args:
        rows: of runs that are done.
        jobs: how many are to be made at a time; runs made in such company tell best.
    """

    def __init__(self, rows: Sequence[IndexRow], jobs: int) -> None:
        self.jobs = jobs
        self._by_name: dict[tuple[str, ...], list[IndexRow]] = defaultdict(list)
        self._by_pair: dict[tuple[str, ...], list[IndexRow]] = defaultdict(list)
        for row in rows:
            if _seconds(row) is not None:
                self._by_name[row["dataset"], row["model"], row["kind"], row["name"]].append(row)
                self._by_pair[row["dataset"], row["model"]].append(row)

    def each(self, like: Like) -> float | None:
        """Of one such run; None where nothing is known of its dataset and model.

        By runs of the same name and settings; else by what an epoch of its method's work took, or any
        method's, and what a run takes beside its method.
        """
        named = self._by_name[like.dataset, like.model, like.kind, like.name]
        same = [row for row in named if like.params is not None and row["params"] == dict(like.params)]
        if like.kind == "attack":
            same = same or named or self._of_kind(like)
        elif like.kind == "trial" and like.params is None:
            same = named  # trials differ: their mean is what many take
            return self._mean(same) if len(same) >= ENOUGH else self._by_work(like)
        return self._median(same) if same else None if like.kind == "attack" else self._by_work(like)

    def _by_work(self, like: Like) -> float | None:
        pair = self._by_pair[like.dataset, like.model]
        own = [row for row in pair if row["name"] == like.name and row["kind"] != "attack"]
        pace = _per_epoch(self._company(own)) or _per_epoch(self._company(_models(pair)))
        if pace is None:
            return None
        beside = self._company(self._of_kind(like) or _models(pair))
        return pace * like.epochs + statistics.median(_beside(row) for row in beside)

    def _of_kind(self, like: Like) -> list[IndexRow]:
        return [row for row in self._by_pair[like.dataset, like.model] if row["kind"] == like.kind]

    def _median(self, rows: Sequence[IndexRow]) -> float:
        return statistics.median(_share(row) for row in self._company(rows))

    def _mean(self, rows: Sequence[IndexRow]) -> float:
        return statistics.mean(_share(row) for row in self._company(rows))

    def _company(self, rows: Sequence[IndexRow]) -> Sequence[IndexRow]:
        """Those made with as many others as are wanted, if there are some."""
        return [row for row in rows if (row.get("jobs") or 1) == self.jobs] or rows


ENOUGH = 5  # trials, for their mean to be that of the next ones


def _models(rows: Sequence[IndexRow]) -> list[IndexRow]:
    return [row for row in rows if row["kind"] in ("train", "unlearn", "trial")]


def _seconds(row: IndexRow) -> float | None:
    """What a run took in all; of one from before that was kept, what its method took."""
    elapsed = row.get("elapsed")
    return row["seconds"] if elapsed is None else elapsed


def _share(row: IndexRow) -> float:
    return (_seconds(row) or 0.0) / (row.get("jobs") or 1)


def _beside(row: IndexRow) -> float:
    """What a run took beside its method: evaluation, outputs."""
    return ((_seconds(row) or 0.0) - (row["seconds"] or 0.0)) / (row.get("jobs") or 1)


def _per_epoch(rows: Sequence[IndexRow]) -> float | None:
    known = [row for row in rows if row["seconds"] and row["work"]]
    work = sum(row["work"] or 0.0 for row in known)
    return sum((row["seconds"] or 0.0) / (row.get("jobs") or 1) for row in known) / work if work else None
