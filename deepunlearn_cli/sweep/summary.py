"""What is known of every study in a store or storage, as plain rows for tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.sweep import losses
from deepunlearn_cli.sweep.choice import importances
from deepunlearn_cli.sweep.storage import JOURNAL, open_storage

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

Row = dict[str, Any]
ABOUT = ("method", "dataset", "model", "forget", "setting", "originals", "sampler", "seed", "label")


def summaries(studies: Path, address: str | None = None) -> list[Row]:
    """A row per study with complete trials: best setting, importances, the Pareto set of the four losses.

    Args:
        studies: a store's folder of journals.
        address: read this storage instead.

    Raises:
        NotFound: there is none.
        UsageFailure: the storage cannot be read.
    """
    storages = [open_storage(address)] if address else [open_storage(one) for one in _journals(studies)]
    rows = [_row(study) for storage in storages for study in _studies(storage)]
    found = [row for row in rows if row["trials"]]
    if not found:
        raise NotFound(
            "no study with complete trials", "deepunlearn sweep --method NAME --ckpt REF makes one"
        )
    return sorted(found, key=lambda row: (row["dataset"], row["model"], row["method"], row["study"]))


def _journals(studies: Path) -> list[str]:
    return [f"{JOURNAL}{path}" for path in sorted(studies.glob("*.journal"))]


def _studies(storage: BaseStorage) -> Iterator[OptunaStudy]:
    """Our studies: a shared database may hold others."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        if "deepunlearn" in study.user_attrs:
            yield study


def _row(study: OptunaStudy) -> Row:
    attrs = study.user_attrs
    trials = study.get_trials(deepcopy=False)
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    failed = sum(trial.state.name == "FAIL" and "reason" in trial.user_attrs for trial in trials)
    points = [tuple(trial.user_attrs["losses"]) for trial in complete]
    about = {"study": study.study_name, **{name: attrs.get(name) for name in ABOUT}}
    about["tuned"] = [*attrs["space"]["domains"], *attrs["fixed"]]
    counts = {"trials": len(complete), "failed": failed}
    front = [_point(complete[i], attrs) for i in losses.pareto(points)]
    return about | counts | _best(complete, attrs) | {"importances": importances(study), "pareto": front}


def _best(complete: list[FrozenTrial], attrs: Mapping[str, Any]) -> Row:
    """The setting chosen on fresh seeds, or the best trial of a study that was not confirmed yet."""
    candidates = attrs.get("candidates", [])
    chosen = next((one for one in candidates if one["chosen"]), None)
    usual = next((one["confirmed"] for one in candidates if one["defaults"]), None)
    if chosen is None and complete:
        best = min((_point(trial, attrs) for trial in complete), key=lambda point: point["norm"])
        chosen = {"params": best["params"], "searched": best["norm"], "trial": best["trial"]}
    names = ("trial", "params", "searched", "confirmed", "confirmed_sd")
    return {name: (chosen or {}).get(name) for name in names} | {"confirmed_defaults": usual}


def _point(trial: FrozenTrial, attrs: Mapping[str, Any]) -> Row:
    of = trial.user_attrs["losses"]
    usual = dict(trial.params) == attrs["nearest"]
    params = attrs["defaults"] if usual else {**attrs["defaults"], **trial.params}
    return {
        "trial": trial.number,
        "norm": losses.norm(of),
        **dict(zip(losses.NAMES, of, strict=True)),
        "params": params,
    }
