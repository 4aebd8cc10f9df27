"""Records: one per model run, joined from the store's index rows; the input of `rank` and `report`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deepunlearn_cli.core.recipe import CONTROLS, RETRAIN
from deepunlearn_cli.core.specs import across_runs

APPROXIMATE = " (approximate)"  # behind the title of a method whose track did not meet its assumptions

Row = Mapping[str, Any]
Pair = tuple[
    str, str
]  # setting (data, model, precision, training) and forget set, or how each seed draws its own
Kind = tuple[str, str]  # of a U-MIA: what it is against, and the feature that it looks at

DEFAULT = "default"  # stands for a hyperparameter that recipes leave out at its default
PAPERS: Kind = ("test", "loss")  # the attack that ranks


@dataclass  # not frozen: a table is made of up to 100,000, and frozen ones take four times as long to make
class Record:
    """One model run with its scores and the attacks on it.

    Accuracies and attack results are shares (0..1) or None; `seconds` is wall time and `work` epochs of
    training. `method` is the public name, `config` tells several configurations of it in a pair apart.
    `umia` and its interval are the paper's attack, the one that ranks; `umias` has the accuracy of every
    kind of U-MIA, that one too.
    """

    id: str
    pair: Pair
    dataset: str
    model: str
    forget_label: str
    method: str
    title: str
    config: str
    seed: int
    status: str
    reason: str
    created: float
    RA: float | None = None
    FA: float | None = None
    VA: float | None = None
    TA: float | None = None
    umia: float | None = None
    umia_low: float | None = None
    umia_high: float | None = None
    umia_cv: str = ""
    seconds: float | None = None
    work: float | None = None
    device: str = ""
    shared: bool = False
    reads: tuple[str, ...] = ()  # the parts of the data that its method saw
    ulira: float | None = None  # of one split of U-LiRA: such a record has nothing else
    umias: Mapping[Kind, float] = field(default_factory=dict)

    @cached_property
    def usable(self) -> bool:
        """Whether the run gave a model whose accuracies are finite."""
        known = (self.RA, self.FA, self.TA) if self.ulira is None else (self.ulira,)
        return self.status == "done" and all(one is not None and math.isfinite(one) for one in known)

    @property
    def label(self) -> str:
        """What people read in a method's row."""
        return f"{self.title} {self.config}" if self.config else self.title


def records(
    rows: Iterable[Row], titles: Mapping[str, str], dataset: str | None = None, model: str | None = None
) -> list[Record]:
    """The model runs (unlearned, retrained, do-nothing) among index rows, newest attempt of each.

    Failed runs are kept with their status. `titles` maps public names to the names that people read.
    """
    current = _newest_attempts(rows)
    attacks = _attacks(row for row in current if row["kind"] == "attack")
    runs = [row for row in current if _is_model(row) and _wanted(row, dataset, model)]
    drawn = _drawn(runs)
    runs = [
        {**row, **drawn[pair]} if (pair := (row["setting"], row["forget"])) in drawn else row for row in runs
    ]
    configs = _configs(runs)
    return [_record(row, titles, configs.get(row["id"], ""), attacks.get(row["id"], {})) for row in runs]


def _newest_attempts(rows: Iterable[Row]) -> list[Row]:
    newest: dict[str, Row] = {}
    for row in rows:
        held = newest.setdefault(row["base"], row)
        if row["attempt"] > held["attempt"]:
            newest[row["base"]] = row
    return list(newest.values())


def _is_model(row: Row) -> bool:
    """Whether a run made a model that has (or pretends to have) forgotten something."""
    return bool(row["forget"]) and (row["kind"] == "unlearn" or row["name"] == RETRAIN)


def _wanted(row: Row, dataset: str | None, model: str | None) -> bool:
    return dataset in (None, row["dataset"]) and model in (None, row["model"])


def _drawn(rows: Sequence[Row]) -> dict[Pair, dict[str, str]]:
    """By setting and forget set, of random draws made with the run's own seed: what they are called together.

    The draws of all seeds are one question, answered once per seed. A draw that runs of other seeds share
    is a forget set like any other.
    """
    held: dict[Pair, list[Row]] = defaultdict(list)
    for row in rows:
        held[row["setting"], row["forget"]].append(row)
    return {
        pair: {"forget": name, "forget_label": name}
        for pair, group in held.items()
        if len({row["seed"] for row in group}) == 1
        for row in group
        if (name := across_runs(row["forget_label"] or "", row["seed"]))
    }


def _attacks(rows: Iterable[Row]) -> dict[str, dict[Kind, Row]]:
    """The U-MIA run to quote of each kind, by model run: k-fold before shuffle, then the newest."""
    chosen: dict[str, dict[Kind, Row]] = defaultdict(dict)
    for row in rows:
        if row["name"] == "umia" and row["status"] == "done":
            of, kind = chosen[row["target"]], _kind(row["params"])
            of[kind] = max(of[kind], row, key=_preference) if kind in of else row
    return chosen


def _kind(params: Mapping[str, Any]) -> Kind:
    """Figures of another feature, or against other samples, are another measure."""
    return params.get("against", PAPERS[0]), params.get("feature", PAPERS[1])


def _preference(row: Row) -> tuple[bool, float, str]:
    return row["params"].get("cv") == "kfold", row["created"], row["id"]


def _configs(runs: Sequence[Row]) -> dict[str, str]:
    """By run id: the hyperparameters that differ between runs of one method in one pair, as text."""
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in runs:
        if row["name"] not in CONTROLS:
            cells[row["setting"], row["forget"], row["name"]].append(row)
    texts: dict[str, str] = {}
    for cell in cells.values():
        chosen = {row["id"]: _chosen(row) for row in cell}
        names = _differing(list(chosen.values()))
        short = {name: _shortened(one.get(name, DEFAULT) for one in chosen.values()) for name in names}
        texts |= {run_id: _config(one, short) for run_id, one in chosen.items()} if names else {}
    return texts


def _chosen(row: Row) -> Mapping[str, Any]:
    """Everything about an unlearning run that its user chose: hyperparameters, augmentation, precision."""
    chosen = {"augment": row.get("augment"), "precision": row["precision"], "earlier": row.get("earlier")}
    return {**row["params"], **chosen}


def _differing(params: Sequence[Mapping[str, Any]]) -> list[str]:
    first = params[0]
    others = [other for other in params if other != first]
    names = set(first).union(*others)
    return sorted(name for name in names if any(other.get(name) != first.get(name) for other in others))


def _config(params: Mapping[str, Any], short: Mapping[str, Mapping[str, str]]) -> str:
    return " ".join(f"{name}={texts[repr(params.get(name, DEFAULT))]}" for name, texts in short.items())


def _shortened(values: Iterable[Any]) -> dict[str, str]:
    """By its `repr`, a text for each value: as few digits as keep all of them apart, three at least."""
    distinct = {repr(value): value for value in values}
    for digits in range(3, 18):
        texts = {key: _rounded(value, digits) for key, value in distinct.items()}
        if len(set(texts.values())) == len(texts):
            return texts
    return {key: str(value) for key, value in distinct.items()}


def _rounded(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _record(row: Row, titles: Mapping[str, str], config: str, attacks: Mapping[Kind, Row]) -> Record:
    scores = row["scores"]
    papers = attacks.get(PAPERS, _NO_ATTACK)
    return Record(
        id=row["id"],
        pair=(row["setting"], row["forget"]),
        dataset=row["dataset"],
        model=row["model"],
        forget_label=row["forget_label"],
        method=row["name"],
        title=titles.get(row["name"], row["name"]) + (APPROXIMATE if row.get("approximate") else ""),
        config=config,
        seed=row["seed"],
        status=row["status"],
        reason=row["reason"],
        created=row["created"],
        RA=scores.get("RA"),
        FA=scores.get("FA"),
        VA=scores.get("VA"),
        TA=scores.get("TA"),
        umia=papers["scores"].get("accuracy"),
        umia_low=papers["scores"].get("accuracy_low"),
        umia_high=papers["scores"].get("accuracy_high"),
        umia_cv=papers["params"].get("cv", ""),
        seconds=row["seconds"],
        work=row["work"],
        device=row["device"],
        shared=row["shared"],
        reads=tuple(row.get("reads") or ()),
        umias={kind: attack["scores"]["accuracy"] for kind, attack in attacks.items()},
    )


_NO_ATTACK: Row = {"scores": {}, "params": {}}
