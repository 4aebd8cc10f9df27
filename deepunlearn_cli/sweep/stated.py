"""What a study and its trials say of themselves, against declared types: a journal may come from anybody."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from deepunlearn_cli.core.plugins import Notice
from deepunlearn_cli.core.typed import Amount, Mistyped, Rule, Seed, Text, check

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

Key = Annotated[str, Rule("the name of a study", lambda text: bool(text) and not {*"/\\\0\n"} & {*text})]
Losses = Annotated[list[float], Rule("four losses", lambda value: len(value) == 4)]


class Domain(TypedDict, total=False):
    """Of a hyperparameter, as `space` writes it: choices, or from where to where."""

    choices: list[Any]
    low: float
    high: float
    log: bool
    whole: bool


class Space(TypedDict):
    """What a study searches."""

    revision: int
    domains: Mapping[str, Domain]


class Candidate(TypedDict):
    """A setting among those that one was chosen from (`choice.Candidate`)."""

    trial: int | None
    params: Mapping[str, Any]
    searched: float | None
    confirmed: float | None
    confirmed_sd: float | None
    defaults: bool
    chosen: bool


class Study(TypedDict):
    """A study's attributes (`opening.study_of`); earlier versions wrote fewer."""

    method: Text
    space: Space
    fixed: Mapping[str, Any]
    defaults: Mapping[str, Any]
    nearest: NotRequired[Mapping[str, Any] | None]
    study: NotRequired[Key]
    dataset: NotRequired[str]
    model: NotRequired[str]
    forget: NotRequired[str]
    setting: NotRequired[str]
    originals: NotRequired[list[str]]
    sampler: NotRequired[str]
    seed: NotRequired[Seed]
    label: NotRequired[str | None]
    objective: NotRequired[str | None]
    early_stop: NotRequired[float | None]
    candidates: NotRequired[list[Candidate]]
    candidates_before: NotRequired[list[list[Candidate]]]
    forgiven: NotRequired[Seed]
    timed_out: NotRequired[Amount]


class Trial(TypedDict, total=False):
    """A trial's attributes (`study.Study`)."""

    losses: Losses
    work: Amount | None
    seconds: Amount | None
    reason: str
    stopped: bool
    runs: list[str]
    worker: Mapping[str, Any]
    beat: int
    interrupted: Seed


def check_study(name: str, attrs: Mapping[str, Any], trials: Iterable[FrozenTrial]) -> None:
    """Hold a study against what studies say of themselves.

    Raises:
        Mistyped: at the first place where it says something else.
    """
    check(dict(attrs), Study)
    check(attrs.get("study", name), Key, "study")
    for trial in trials:
        where = f"trial {trial.number}"
        check(dict(trial.user_attrs), Trial, where)
        if trial.state.name == "COMPLETE":
            needed = ["losses", *([attrs["objective"]] if attrs.get("objective") else [])]
            for one in needed:
                if trial.user_attrs.get(one) is None:
                    raise Mistyped(f"{where}.{one}", None, "there, as it is complete")


def studies_in(storage: BaseStorage) -> Iterator[OptunaStudy]:
    """Our studies, but those that a kill left begun; one that is not as it was written is told.

    A shared database may hold others.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        if "deepunlearn" in study.user_attrs and not _is_begun(study) and _is_sound(study):
            yield study


def _is_begun(study: OptunaStudy) -> bool:
    """Whether it has not said yet what it searches, its last word before its first trial."""
    return "space" not in study.user_attrs and not study.get_trials(deepcopy=False)


def _is_sound(study: OptunaStudy) -> bool:
    try:
        check_study(study.study_name, study.user_attrs, study.get_trials(deepcopy=False))
    except Mistyped as error:
        what = f"left out: study {study.study_name} is not as it was written: {error}"
        warnings.warn(what, Notice, stacklevel=2)
        return False
    return True
