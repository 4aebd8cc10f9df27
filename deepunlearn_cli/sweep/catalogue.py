"""Studies as they stand: which there are, what is in one, and one taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.sweep.collection import Collection
from deepunlearn_cli.sweep.opening import identity, key_of
from deepunlearn_cli.sweep.presence import living, may_live
from deepunlearn_cli.sweep.storage import journal_file
from deepunlearn_cli.sweep.summary import Point, Standing, every_study, point_of, standing

if TYPE_CHECKING:
    from optuna import Study as OptunaStudy
    from optuna.trial import FrozenTrial

SEARCHING, CHOSEN, BEGUN = "searching", "chosen", "no choice"
SHORTEST = 4  # characters of an id that stand for it alone, as of a run's


class Listed(Standing):
    """A study and its `state`: being searched now, with its choice made, or neither."""

    state: str


class TrialRow(Point):
    """A trial of a study, whatever became of it; figures that it has not are None.

    Attributes:
        state: Optuna's: `COMPLETE`, `FAIL`, `RUNNING`, `WAITING`.
        reason: why it failed.
        seconds: of unlearning, all originals together; `work`: epochs of training, mean over originals.
        runs: the ids of its runs, one per original.
    """

    study: str
    state: str
    reason: str | None
    seconds: float | None
    work: float | None
    runs: list[str]


@dataclass(frozen=True)
class Catalogue:
    """The studies of a store, or those of a storage for many.

    Args:
        folder: of the store's studies.
        address: of the storage; None for the store's own.
    """

    folder: Path
    address: str | None = None

    def listed(self) -> list[Listed]:
        """Every study, by dataset, model and method.

        Raises:
            UsageFailure: the storage cannot be read.
        """
        at_work = living(self.folder)
        rows: list[Listed] = [
            {**standing(study), "state": _state(study, at_work)} for study in self._studies()
        ]
        return sorted(rows, key=lambda row: (row["dataset"], row["model"], row["method"], row["study"]))

    def find(self, ref: str) -> OptunaStudy:
        """The one study that is called so: by its key, or the beginning of the key or of its id.

        Raises:
            NotFound: there is none.
            UsageFailure: there are several.
        """
        starts = {key_of(study): study for study in self._studies()}
        found = {
            key: study
            for key, study in starts.items()
            if key.startswith(ref) or (len(ref) >= SHORTEST and identity(key).startswith(ref))
        }
        if not found:
            raise NotFound(f"no study is called {ref}", "deepunlearn sweep list shows all")
        if len(found) > 1 and ref not in found:
            raise UsageFailure(
                f"{ref} fits {len(found)} studies: {', '.join(found)}", "give more of the name"
            )
        return found.get(ref) or next(iter(found.values()))

    def is_living(self, study: OptunaStudy) -> bool:
        """Whether somebody searches it now."""
        return _state(study, living(self.folder)) == SEARCHING

    @staticmethod
    def key(study: OptunaStudy) -> str:
        """What the study is called."""
        return key_of(study)

    def check(self, studies: Sequence[OptunaStudy]) -> None:
        """Refuse to touch studies that are being searched.

        Raises:
            UsageFailure: one is.
        """
        for study in studies:
            if self.is_living(study):
                raise UsageFailure(
                    f"study {key_of(study)} is being searched",
                    "stop the search, or wait for its end; a search on a machine that died is taken over by "
                    "the same command after a minute",
                )

    def remove(self, studies: Sequence[OptunaStudy]) -> None:
        """Take studies and their presets away; the runs of their trials stay.

        Raises:
            UsageFailure: one is being searched.
        """
        self.check(studies)
        for study in studies:
            self._remove(study)
        if not self.address:
            Collection(self.folder).update()

    def _remove(self, study: OptunaStudy) -> None:
        import optuna

        key = key_of(study)
        if self.address:
            optuna.delete_study(study_name=study.study_name, storage=study._storage)
        else:
            journal_file(self.folder, key).unlink(missing_ok=True)
            journal_file(self.folder, key).with_suffix(".journal.lock").unlink(missing_ok=True)
        (self.folder / f"{key}.toml").unlink(missing_ok=True)

    def _studies(self) -> list[OptunaStudy]:
        return list(every_study(self.folder, self.address))


def trials_of(study: OptunaStudy) -> list[TrialRow]:
    """Every trial of a study, by number."""
    return [_trial(trial, study) for trial in study.get_trials(deepcopy=False)]


def choices_of(study: OptunaStudy) -> list[list[Mapping[str, Any]]]:
    """What was chosen from, each time that the choice came out otherwise, oldest first."""
    attrs = study.user_attrs
    now = [attrs["candidates"]] if "candidates" in attrs else []
    return [*attrs.get("candidates_before", []), *now]


def _trial(trial: FrozenTrial, study: OptunaStudy) -> TrialRow:
    attrs, told = study.user_attrs, trial.user_attrs
    point: Any = (
        point_of(trial, attrs)
        if "losses" in told
        else dict.fromkeys(Point.__annotations__) | {"trial": trial.number, "params": _params(trial, attrs)}
    )
    row = {
        **point,
        "study": key_of(study),
        "state": trial.state.name,
        "reason": told.get("reason"),
        "seconds": told.get("seconds"),
        "work": told.get("work"),
        "runs": told.get("runs", []),
    }
    return cast("TrialRow", row)


def _params(trial: FrozenTrial, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**attrs["defaults"], **trial.params} if trial.params else {}


def _state(study: OptunaStudy, at_work: Mapping[str, Path]) -> str:
    running = (
        t.user_attrs.get("worker") for t in study.get_trials(deepcopy=False) if t.state.name == "RUNNING"
    )
    if key_of(study) in at_work or any(may_live(worker) for worker in running):
        return SEARCHING
    return CHOSEN if "candidates" in study.user_attrs else BEGUN
