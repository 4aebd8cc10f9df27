"""The runs of a store on models of one training, as cases to forecast by: request, cost and what it gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.reporting.measures import MEASURES
from deepunlearn_cli.reporting.records import Record, records
from deepunlearn_cli.studies.difficulty import Difficulty, difficulty

if TYPE_CHECKING:
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Store

GAP = "UMIA_gap"  # less that of the retrained model of its seed


@dataclass(frozen=True)
class Case:
    """A run of the past: its request's difficulty, what it gave and what it cost."""

    id: str
    method: str
    params: Mapping[str, Any]
    forget: str
    seed: int
    difficulty: Difficulty
    figures: Mapping[str, float]
    device: str
    seconds: float | None
    work: float | None


@dataclass(frozen=True)
class Pace:
    """Seconds that a run took for an epoch of its work, and where."""

    name: str
    forget: str
    device: str
    shared: bool
    seconds: float


class Past:
    """The runs of a store on models of one setting, as cases."""

    def __init__(self, store: Store, setting: str) -> None:
        self.store, self.setting = store, setting
        rows = [row for row in store.rows() if row["setting"] == setting or row["kind"] == "attack"]
        self._rows = {row["id"]: row for row in rows}
        self._records = [one for one in records(rows, {}) if self._rows[one.id]["setting"] == setting]
        self._difficulties: dict[tuple[str, int], Difficulty | None] = {}
        self._said: dict[int, Any] = {}  # by originals, by seed

    @cached_property
    def cases(self) -> list[Case]:
        """Usable runs whose request can be told in figures."""
        found = (self._case(one) for one in self._records if one.usable)
        return [one for one in found if one]

    def failed(self, method: str) -> int:
        """Runs of a method that gave no usable model."""
        return sum(one.method == method and not one.usable for one in self._records)

    @cached_property
    def noise(self) -> float | None:
        """RetDev between retrained models of two seeds on one forget set: nine of ten are below."""
        retrained = [one for one in self._records if one.method == RETRAIN and one.usable]
        pairs = [
            MEASURES["RetDev"].of(one, other)
            for one in retrained
            for other in retrained
            if one.seed != other.seed and self._forget(one) == self._forget(other)
        ]
        known = sorted(value for value in pairs if math.isfinite(value))
        return known[math.ceil(0.9 * len(known)) - 1] if known else None

    @cached_property
    def paces(self) -> list[Pace]:
        """Of every run that did some work."""
        return [
            Pace(
                row["name"],
                row["forget"] or row["id"],
                row.get("device") or "",
                bool(row.get("shared")),
                row["seconds"] / row["work"],
            )
            for row in self._rows.values()
            if row["kind"] in ("train", "unlearn") and row["seconds"] and row["work"]
        ]

    def difficulty(self, forget: str, seed: int) -> Difficulty | None:
        """Of a forget set, by the original of a seed; None where one of them is not at hand."""
        if (forget, seed) not in self._difficulties:
            self._difficulties[forget, seed] = self._difficulty(forget, seed)
        return self._difficulties[forget, seed]

    def _difficulty(self, forget: str, seed: int) -> Difficulty | None:
        with suppress(Failure, KeyError):
            return difficulty(self._outputs(seed), data.load_forget(forget, self.store.data))
        return None

    def _outputs(self, seed: int) -> Any:
        if seed not in self._said:
            self._said[seed] = self.store.find(self._originals[seed]["id"]).outputs()
        return self._said[seed]

    @cached_property
    def _originals(self) -> Mapping[int, IndexRow]:
        rows = [
            row for row in self._rows.values() if row["kind"] in ("train", "checkpoint") and not row["forget"]
        ]
        return {row["seed"]: row for row in rows if row["status"] == "done"}

    @cached_property
    def _references(self) -> Mapping[tuple[str, int], Record]:
        return {
            (self._forget(one), one.seed): one
            for one in self._records
            if one.method == RETRAIN and one.usable
        }

    def _forget(self, one: Record) -> str:
        return self._rows[one.id]["forget"] or ""

    def _case(self, one: Record) -> Case | None:
        row, forget = self._rows[one.id], self._forget(one)
        hard, reference = self.difficulty(forget, one.seed), self._references.get((forget, one.seed))
        if hard is None:
            return None
        retdev = MEASURES["RetDev"].of(one, reference) if reference else math.nan
        control = reference.umia if reference else None
        gap = None if one.umia is None or control is None else one.umia - control
        figures = {"RetDev": retdev, "UMIA": one.umia, GAP: gap, "TA": one.TA}
        there = {name: float(v) for name, v in figures.items() if v is not None and math.isfinite(v)}
        return Case(
            one.id, one.method, row["params"], forget, one.seed, hard, there,
            row.get("device") or "", row.get("seconds"), row.get("work"),
        )  # fmt: skip
