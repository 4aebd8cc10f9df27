"""Searches that began elsewhere: their journals, put into a store so that they go on there."""

from __future__ import annotations

from pathlib import Path

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.typed import Mistyped
from deepunlearn_cli.sweep.claims import state
from deepunlearn_cli.sweep.stated import check_study
from deepunlearn_cli.sweep.storage import JOURNAL, journal_file, open_storage


def bring(key: str, text: str, folder: Path) -> bool:
    """Put a study's journal into a store's folder of studies, unless it has the study.

    Trials that somebody was making wait for the next worker: who made them does so no more, or elsewhere.

    Returns:
        Whether it was put there.

    Raises:
        UsageFailure: it is no journal.
    """
    path = journal_file(folder, key)
    if path.exists():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, "utf-8")
    try:
        _release(part)
    except UsageFailure as failure:
        part.unlink()
        raise UsageFailure(f"the journal of {key} cannot be read", failure.hint) from None
    except Mistyped as error:
        part.unlink()
        raise UsageFailure(f"the journal of {key}: {error}", "take it from where it was written") from None
    part.replace(path)
    part.with_name(f"{part.name}.lock").unlink(missing_ok=True)
    return True


def _release(path: Path) -> None:
    storage = open_storage(f"{JOURNAL}{path}")
    for study in storage.get_all_studies():
        trials = storage.get_all_trials(study._study_id, deepcopy=False)
        if "space" in study.user_attrs:  # or it was cut off as it began, and is begun again
            check_study(study.study_name, study.user_attrs, trials)
        for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(state("RUNNING"),)):
            storage.set_trial_state_values(trial._trial_id, state("WAITING"))
