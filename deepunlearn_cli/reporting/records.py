"""Records: one per model run, joined from the store's index rows; the input of `rank` and `report`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.facts import FACTS
from deepunlearn_cli.core.recipe import CONTROLS, RETRAIN
from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.core.specs import across_runs, following
from deepunlearn_cli.evaluation.metrics import at_chance
from deepunlearn_cli.reporting.quoted import PAPERS, Kind, quoted_attacks

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.outputs import Reader

APPROXIMATE = " (approximate)"  # behind the title of a method whose track did not meet its assumptions
PairKey = tuple[str, str]  # setting; forget set (or how each seed draws its own), behind it earlier ones
DEFAULT = "default"  # stands for a hyperparameter that recipes leave out at its default
CLASSES = 10  # assumed where the number is not known: at chance is what is at chance for so many


@dataclass  # not frozen: a table is made of up to 100,000, and frozen ones take four times as long to make
class Record:
    """One model run with its scores and the attacks on it.

    Accuracies and attack results are shares (0..1) or None; `facts` are those that are declared
    (`core.facts`). `method` is the public name, `config` tells several configurations of it in a pair apart.
    `start` is the id of the run that it was made from, `request` its newest forget set. `umia` and its
    interval are the paper's attack, the one that ranks, by run `attack`; `umias` has the accuracy of every
    kind of U-MIA.
    `reader` gives the outputs of runs; `file` is the table that the figures come from, if not of a store;
    `exported` names the files that a store's were exported to, if they come from these.
    """

    id: str
    pair_key: PairKey
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
    ulira: float | None = None  # of one split of U-LiRA: such a record has nothing else
    umias: Mapping[Kind, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    reader: Reader | None = None
    file: str = ""
    exported: str = ""
    start: str = ""
    request: str = ""
    attack: str = ""

    @cached_property
    def fault(self) -> str:
        """Why the run gave no usable model; nothing if it did."""
        if self.status != "done":
            return self.reason or self.status
        if not self.scored:
            return "no finite scores"
        if self.RA is None or not at_chance(self.RA, self.classes or CLASSES):
            return ""
        count = self.classes or f"{CLASSES} (assumed)"
        return f"retain accuracy {self.RA:.1%}, at chance for {count} classes"

    @property
    def scored(self) -> bool:
        """Whether the run gave a model with finite accuracies, of whatever use."""
        known = (self.RA, self.FA, self.TA) if self.ulira is None else (self.ulira,)
        return self.status == "done" and all(one is not None and math.isfinite(one) for one in known)

    @property
    def usable(self) -> bool:
        """Whether the run gave a model with finite accuracies, above chance on the retain set."""
        return not self.fault

    @property
    def classes(self) -> int | None:
        """How many classes its data have, where that is known."""
        return self.facts.get("classes")

    @property
    def label(self) -> str:
        """What people read in a method's row."""
        return f"{self.title} {self.config}" if self.config else self.title


def records(
    rows: Iterable[IndexRow],
    titles: Mapping[str, str],
    reader: Reader | None = None,
    classes: Mapping[str, int] | None = None,
) -> list[Record]:
    """The model runs (unlearned, retrained, do-nothing) among index rows, newest attempt of each.

    Failed runs are kept with their status. `titles` maps public names to the names that people read,
    `classes` datasets to their number of classes, for runs that do not say it.
    """
    current = _newest_attempts(rows)
    runs = [row for row in current if is_model(row)]
    newest = {row["id"]: row["forget"] for row in runs if row.get("forgotten")}
    attacks = quoted_attacks((row for row in current if row["kind"] == "attack"), newest)
    drawn = _drawn(runs)
    runs = [_named(row, drawn[key]) if (key := _pair_key(row)) in drawn else row for row in runs]
    configs = _configs(runs)
    return [
        _record(row, titles, configs.get(row["id"], ""), attacks.get(row["id"], {}), reader, classes or {})
        for row in runs
    ]


def _pair_key(row: IndexRow) -> PairKey:
    return row["setting"], "<".join([row["forget"] or "", *row.get("forgotten", ())])


def _named(row: IndexRow, draw: str) -> IndexRow:
    return {**row, "forget": draw, "forget_label": draw, "forgotten": (), "forgotten_labels": ()}


def _newest_attempts(rows: Iterable[IndexRow]) -> list[IndexRow]:
    newest: dict[str, IndexRow] = {}
    for row in rows:
        known = newest.setdefault(row["base"], row)
        if row["attempt"] > known["attempt"]:
            newest[row["base"]] = row
    return list(newest.values())


def is_model(row: IndexRow) -> bool:
    """Whether a run made a model that has (or pretends to have) forgotten something."""
    return bool(row["forget"]) and (row["kind"] in ("unlearn", "checkpoint") or row["name"] == RETRAIN)


def _drawn(rows: Sequence[IndexRow]) -> dict[PairKey, str]:
    """By setting and forget set, of random draws made with the run's own seed: what they are called together.

    The draws of all seeds are one question, answered once per seed. A draw that runs of other seeds share
    is a forget set like any other.
    """
    groups: dict[PairKey, list[IndexRow]] = defaultdict(list)
    for row in rows:
        groups[_pair_key(row)].append(row)
    return {
        key: name
        for key, group in groups.items()
        if len({row["seed"] for row in group}) == 1
        for row in group
        if (name := _across(row))
    }


def _across(row: IndexRow) -> str | None:
    """The chain of a run as it is called for every seed, if it draws with the run's own; else None."""
    labels = [row["forget_label"] or "", *row.get("forgotten_labels", ())]
    named = [across_runs(label, row["seed"]) for label in labels]
    newest, *earlier = [name or label for name, label in zip(named, labels, strict=True)]
    return following(newest, earlier) if any(named) else None


def _configs(runs: Sequence[IndexRow]) -> dict[str, str]:
    """By run id: the hyperparameters that differ between runs of one method in one pair, as text."""
    groups: dict[tuple[PairKey, str], list[IndexRow]] = defaultdict(list)
    for row in runs:
        if row["name"] != RETRAIN:
            groups[_pair_key(row), row["name"]].append(row)
    texts: dict[str, str] = {}
    for group in groups.values():
        choices = {row["id"]: _choices(row) for row in group}
        names = _telling(_differing(list(choices.values())), list(choices.values()))
        short = {name: _shortened(one.get(name, DEFAULT) for one in choices.values()) for name in names}
        texts |= {run_id: _config(one, short) for run_id, one in choices.items()} if names else {}
    return texts


def _choices(row: IndexRow) -> Mapping[str, object]:
    """Everything about an unlearning run that its user chose: hyperparameters, augmentation, precision."""
    behind = {"after": row.get("after"), "settings": row.get("settings")}
    if row["name"] in CONTROLS:
        return behind
    more = {"augment": row.get("augment"), "precision": row["precision"], "earlier": row.get("earlier")}
    return {**row["params"], **more, **behind}


def _telling(names: Sequence[str], choices: Sequence[Mapping[str, object]]) -> list[str]:
    """Without the digest of earlier settings, where the methods that came before tell runs apart as well."""
    before = {(one["after"], one["settings"]) for one in choices}
    alike = len(before) > len({after for after, _ in before})
    return [name for name in names if alike or name != "settings"]


def _differing(params: Sequence[Mapping[str, object]]) -> list[str]:
    first = params[0]
    others = [other for other in params if other != first]
    names = set(first).union(*others)
    return sorted(name for name in names if any(other.get(name) != first.get(name) for other in others))


def _config(params: Mapping[str, Any], short: Mapping[str, Mapping[str, str]]) -> str:
    return " ".join(f"{name}={texts[repr(params.get(name, DEFAULT))]}" for name, texts in short.items())


def _shortened(values: Iterable[object]) -> dict[str, str]:
    """By its `repr`, a text for each value: as few digits as keep all of them apart, three at least."""
    distinct = {repr(value): value for value in values}
    for digits in range(3, 18):
        texts = {key: _rounded(value, digits) for key, value in distinct.items()}
        if len(set(texts.values())) == len(texts):
            return texts
    return {key: str(value) for key, value in distinct.items()}


def _rounded(value: object, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def _record(
    row: IndexRow,
    titles: Mapping[str, str],
    config: str,
    attacks: Mapping[Kind, IndexRow],
    reader: Reader | None,
    classes: Mapping[str, int],
) -> Record:
    scores = row["scores"]
    papers = attacks.get(PAPERS)
    umia: Mapping[str, Any] = papers["scores"] if papers else {}
    return Record(
        id=row["id"],
        pair_key=_pair_key(row),
        dataset=row["dataset"],
        model=row["model"],
        forget_label=following(row["forget_label"] or "", row.get("forgotten_labels", ())),
        method=row["name"],
        title=titles.get(row["name"], row["name"]) + (APPROXIMATE if row.get("approximate") else ""),
        config=config,
        seed=row["seed"],
        status=row["status"],
        reason=row.get("reason") or "",
        created=row["created"] or 0.0,
        RA=scores.get("RA"),
        FA=scores.get("FA"),
        VA=scores.get("VA"),
        TA=scores.get("TA"),
        umia=umia.get("accuracy"),
        umia_low=umia.get("accuracy_low"),
        umia_high=umia.get("accuracy_high"),
        umia_cv=papers["params"].get("cv", "") if papers else "",
        umias={kind: attack["scores"]["accuracy"] for kind, attack in attacks.items()},
        facts={name: row.get(name) for name in FACTS}
        | {"classes": row.get("classes") or classes.get(row["dataset"])},
        reader=reader,
        start=row["target"],
        request=row["forget_label"] or "",
        attack=papers["id"] if papers else "",
    )
