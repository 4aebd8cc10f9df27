"""A study opened or begun: what it is called, what it says of itself, and that it searches the same space."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import __version__
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.typed import Mistyped
from deepunlearn_cli.sweep import space
from deepunlearn_cli.sweep.stated import check_study

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.storages import BaseStorage

    from deepunlearn_cli.sweep.question import Question


def study_of(question: Question, storage: BaseStorage) -> OptunaStudy:
    """The study of a question in Optuna's hands, begun if there is none.

    Raises:
        UsageFailure: the storage holds it with another search space.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    metrics = question.metrics
    study = optuna.create_study(
        storage=storage,
        study_name=name_in(storage, question.key) or title(_about(question), question.key),
        sampler=space.sampler(question),
        directions=["minimize"] * len(metrics),
        load_if_exists=True,
    )
    known = study.user_attrs.get("space")
    if known is None:
        name_metrics(study, metrics)
        for name, value in _about(question).items():
            study.set_user_attr(name, value)
    else:
        _check_written(study, question.key)
    if known is not None and known != json.loads(json.dumps(question.space)):
        raise UsageFailure(
            f"study {question.key} searched another space: {_difference(known, question.space)}",
            "--study NAME starts one of its own beside it",
        )
    return study


def _check_written(study: OptunaStudy, key: str) -> None:
    try:
        check_study(study.study_name, study.user_attrs, study.get_trials(deepcopy=False))
    except Mistyped as error:
        what = f"study {key} is not as it was written: {error}"
        raise UsageFailure(what, "--study NAME starts one of its own beside it") from None


def name_in(storage: BaseStorage, key: str) -> str | None:
    """The name under which the storage has a study, whatever its data are called on other machines."""
    import optuna

    names = [name for name in optuna.get_all_study_names(storage) if name.endswith(identity(key))]
    return min(names, default=None)


def title(about: Mapping[str, Any], key: str) -> str:
    """What people call a study: `digits resnet-tiny random:0.1 msg tpe ID`, without folders of files.

    Args:
        about: what the study says of itself.
        key: of the study, `METHOD-ID`.
    """
    named = [str(about[name]) for name in ("dataset", "model", "forget", "method", "sampler", "label")]
    shown = [re.sub(r"^(\w+:)?.*/", r"\1", text).replace(" ", "_") for text in named if text]
    return " ".join([*shown, identity(key)])


def key_of(study: OptunaStudy) -> str:
    """A study's key; of one that earlier versions began, its name."""
    return str(study.user_attrs.get("study", study.study_name))


def identity(key: str) -> str:
    """The part of a study's key that its name ends in."""
    return key.rpartition("-")[2]


def name_metrics(study: OptunaStudy, names: Sequence[str]) -> None:
    """Say what a trial's values are."""
    with warnings.catch_warnings(action="ignore"):  # of an experimental feature
        study.set_metric_names(list(names))


def _about(question: Question) -> dict[str, Any]:
    run = question.runs[0]
    return {
        "deepunlearn": __version__,
        "study": question.key,
        "method": question.method,
        "dataset": run.labels.get("dataset", ""),
        "model": run.model,
        "forget": run.labels.get("forget", ""),
        "setting": run.setting,
        "originals": [one.inputs["original"].key for one in question.runs],
        "sampler": question.sampler,
        "seed": question.seed,
        "label": question.label,
        "objective": question.objective,
        "early_stop": question.early_stop,
        "fixed": dict(question.fixed),
        "defaults": question.defaults,
        "nearest": question.nearest_to_defaults,
        "space": question.space,
    }


def _difference(known: Mapping[str, Any], space_now: Mapping[str, Any]) -> str:
    if known["revision"] != space_now["revision"]:
        return f"the method's revision is now {space_now['revision']}, and was {known['revision']}"
    then, now = known["domains"], space_now["domains"]
    name = min(name for name in {*then, *now} if then.get(name) != json.loads(json.dumps(now.get(name))))
    return f"{name} was {_words(then.get(name))} and is {_words(now.get(name))}"


def _words(domain: Mapping[str, Any] | None) -> str:
    if domain is None:
        return "not searched"
    if "choices" in domain:
        return " | ".join(map(str, domain["choices"]))
    return f"{domain['low']:g} .. {domain['high']:g}{' (log)' if domain['log'] else ''}"
