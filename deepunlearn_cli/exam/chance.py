"""Questions about chance: same seed, same bits, and no generator but the task's streams."""

from __future__ import annotations

from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.exam import tiny
from deepunlearn_cli.exam.answers import Beside, Crash, Wrong
from deepunlearn_cli.exam.candidate import Candidate
from deepunlearn_cli.exam.trial import Setting, Trial


def same_seed(candidate: Candidate) -> str:
    """Does the same seed give the same bits, whatever lies in fresh memory?"""
    _check_repeats(candidate, "cnn", candidate.run())
    try:
        shown = candidate.run(Setting(kind="vit"))
    except (Failure, Crash):  # a question of its own
        return "on the CNN"
    _check_repeats(candidate, "vit", shown)
    return ""


def other_seed(candidate: Candidate) -> str:
    """Does another seed give another model, where it draws at random?"""
    first = candidate.run()
    if not first.draws.streams:
        raise Beside("it draws from no stream of the task")
    if tiny.same(first.after, candidate.acted(Setting(seed=1)).after):
        raise Wrong(f"it draws from {', '.join(sorted(first.draws.streams))}, to no effect")
    return ""


def generators(candidate: Candidate) -> str:
    """Does it draw from the task's streams alone, and leave all other generators as they are?"""
    draws, why = candidate.run().draws, candidate.method.own_seed
    if draws.own and not why:
        raise Wrong(f"it calls {draws.own[0]}, which the run's seed does not reach: use task.stream(NAME)")
    if draws.shared:
        raise Wrong(f"it uses the generator of {', '.join(draws.shared)}: use task.stream(NAME)")
    return why and f"a seed of its own: {why}"


def _check_repeats(candidate: Candidate, kind: str, first: Trial) -> None:
    again = candidate.seen(Setting(kind=kind, filled=True))
    if again.made and tiny.same(first.after, again.after):
        return
    once_more = Candidate(candidate.method).seen(Setting(kind=kind, filled=True))
    if not (again.made or once_more.made) or (
        again.made and once_more.made and tiny.same(again.after, once_more.after)
    ):
        raise Wrong(f"on the {kind} it reads memory that nobody wrote (torch.empty)")
    raise Wrong(f"on the {kind} two runs with the same seed differ")
