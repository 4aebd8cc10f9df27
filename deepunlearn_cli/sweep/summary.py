"""What is known of every study in a store or storage, as plain rows for tables."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from itertools import filterfalse
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, cast

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.plugins import Notice
from deepunlearn_cli.sweep import finite, losses
from deepunlearn_cli.sweep.choice import importances
from deepunlearn_cli.sweep.judge import reads_judge
from deepunlearn_cli.sweep.opening import key_of
from deepunlearn_cli.sweep.stated import studies_in
from deepunlearn_cli.sweep.storage import JOURNAL, journals, made, open_storage
from deepunlearn_cli.sweep.study import is_stopped

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.trial import FrozenTrial


class About(TypedDict):
    """What a study asked, as it was written down with it; `originals` are ids of runs."""

    method: str
    dataset: str
    model: str
    forget: str
    setting: str
    originals: list[str]
    sampler: str
    seed: int
    label: str


class Point(TypedDict):
    """A trial: its four losses, their norm, its work in epochs of training, all its hyperparameters."""

    trial: int
    norm: float
    dRA: float
    dFA: float
    dVA: float
    discernibility: float
    work: float | None
    params: Mapping[str, Any]


class Best(TypedDict):
    """The setting that a study came to; every field is None before its first complete trial.

    Attributes:
        trial: its number; None also for defaults that were not searched.
        searched: norm of the losses of its own trial; `confirmed` on fresh seeds (None: not done).
        confirmed_defaults: the same of the defaults.
    """

    trial: int | None
    params: Mapping[str, Any] | None
    searched: float | None
    confirmed: float | None
    confirmed_sd: float | None
    confirmed_defaults: float | None


class Standing(About, Best):
    """A study: what it asked, how far it is, what it came to.

    Attributes:
        tuned: names of the hyperparameters that were searched or fixed by hand.
        trials: how many are complete; `failed`: how many gave no usable model.
        points: how many settings there are to try (None: any number); `trials` counts each once.
        reads_judge: whether the method itself reads the validation pictures that trials are judged on.
    """

    study: str
    tuned: list[str]
    trials: int
    failed: int
    points: int | None
    reads_judge: bool


class StudyRow(Standing):
    """The same, with what the trials say together.

    Attributes:
        importances: by hyperparameter, its share in what the trials differ by.
        domains: what was searched, by name: `log`, `choices` and so on, as declared.
        history: every trial that was made to its end, by number.
        pareto: the trials that no other beats in all four losses, and in work where that was an objective.
        candidates: the settings that were confirmed, or the one chosen without that (`Candidate`).
    """

    importances: Mapping[str, float]
    domains: Mapping[str, Mapping[str, Any]]
    history: list[Point]
    pareto: list[Point]
    candidates: list[Mapping[str, Any]]


def summaries(studies: Path, address: str | None = None) -> list[StudyRow]:
    """A row per study with complete trials: best setting, importances, the Pareto set of the four losses.

    Args:
        studies: a store's folder of journals.
        address: read this storage instead.

    Raises:
        NotFound: there is none.
        UsageFailure: the storage cannot be read.
    """
    rows = [_row(study) for study in every_study(studies, address)]
    begun = [row for row in rows if row["trials"]]
    if not begun:
        raise NotFound(
            "no study with complete trials", "deepunlearn sweep --method NAME --ckpt REF makes one"
        )
    return sorted(begun, key=lambda row: (row["dataset"], row["model"], row["method"], row["study"]))


def every_study(studies: Path, address: str | None = None) -> Iterator[OptunaStudy]:
    """Each of a store or storage; a journal of the store that cannot be read is told and left out.

    Raises:
        UsageFailure: the storage at `address` cannot be read.
    """
    if address:
        yield from studies_in(open_storage(address)) if made(address) else ()
        return
    for path in journals(studies):
        try:
            yield from studies_in(open_storage(f"{JOURNAL}{path}"))
        except UsageFailure as failure:
            warnings.warn(f"left out: {failure.message}", Notice, stacklevel=2)


def _row(study: OptunaStudy) -> StudyRow:
    attrs = study.user_attrs
    whole, cost = list(filterfalse(is_stopped, _complete(study))), attrs.get("objective")
    told = [trial.user_attrs for trial in whole]
    pareto = losses.pareto([(*one["losses"], *([one[cost]] if cost else [])) for one in told])
    history = [point_of(trial, attrs) for trial in whole]
    return {
        **standing(study),
        "importances": importances(study),
        "domains": attrs["space"]["domains"],
        "history": history,
        "pareto": [history[i] for i in pareto],
        "candidates": attrs.get("candidates", []),
    }


def _complete(study: OptunaStudy) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def standing(study: OptunaStudy) -> Standing:
    """How far a study is, and what it came to."""
    attrs, complete = study.user_attrs, _complete(study)
    failed = [
        t for t in study.get_trials(deepcopy=False) if t.state.name == "FAIL" and "reason" in t.user_attrs
    ]
    size = finite.size(attrs["space"]["domains"])
    about = cast("About", {name: attrs.get(name) for name in About.__annotations__})
    return {
        "study": key_of(study),
        **about,
        "tuned": [*attrs["space"]["domains"], *attrs["fixed"]],
        "trials": _count(complete, size),
        "failed": len(failed),
        "points": size,
        "reads_judge": reads_judge(about["method"], attrs["defaults"]),
        **_best(complete, attrs),
    }


def _count(complete: list[FrozenTrial], size: int | None) -> int:
    return len(complete) if size is None else len({finite.key(trial.params) for trial in complete})


def _best(complete: list[FrozenTrial], attrs: Mapping[str, Any]) -> Best:
    """The setting chosen on fresh seeds, or the best trial of a study that was not confirmed yet."""
    candidates = attrs.get("candidates", [])
    chosen = next((one for one in candidates if one["chosen"]), None)
    usual = next((one["confirmed"] for one in candidates if one["defaults"]), None)
    if chosen is None and complete:
        whole = [point_of(trial, attrs) for trial in filterfalse(is_stopped, complete)]
        best = min(whole, key=lambda point: point["norm"])
        chosen = {"params": best["params"], "searched": best["norm"], "trial": best["trial"]}
    known = chosen or {}
    return {
        "trial": known.get("trial"),
        "params": known.get("params"),
        "searched": known.get("searched"),
        "confirmed": known.get("confirmed"),
        "confirmed_sd": known.get("confirmed_sd"),
        "confirmed_defaults": usual,
    }


def point_of(trial: FrozenTrial, attrs: Mapping[str, Any]) -> Point:
    """A complete trial of a study with these attributes."""
    ra, fa, va, discernibility = trial.user_attrs["losses"]
    usual = dict(trial.params) == attrs["nearest"]
    params = attrs["defaults"] if usual else {**attrs["defaults"], **trial.params}
    return {
        "trial": trial.number,
        "norm": losses.norm((ra, fa, va, discernibility)),
        "dRA": ra,
        "dFA": fa,
        "dVA": va,
        "discernibility": discernibility,
        "work": trial.user_attrs.get("work"),
        "params": params,
    }
