"""The questions in the order they are asked, and how an answer comes about."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator

from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.exam import account, acting, chance, declared, knobs
from deepunlearn_cli.exam.answers import Answer, Beside, Crash, Outcome, Wrong, last_line
from deepunlearn_cli.exam.candidate import Candidate

Question = Callable[[Candidate], str]  # gives a remark, or raises `Wrong`, `Beside`, `Crash` or `Failure`

QUESTIONS: dict[str, Question] = {
    "defaults": declared.defaults,
    "bad-values": declared.bad_values,
    "cnn": acting.cnn,
    "vit": acting.vit,
    "input": acting.untouched,
    "frozen": acting.frozen,
    "plain": acting.plain,
    "same-seed": chance.same_seed,
    "other-seed": chance.other_seed,
    "generators": chance.generators,
    "through-task": account.through_task,
    "cost": account.cost,
    "data": account.data,
    "batches": account.batches,
    "single": acting.single,
    "half": acting.half,
    "hyperparameters": knobs.knobs,
}

TELLING = ("defaults", "bad-values", "cnn", "vit")  # questions that say themselves why nothing works


def asks(name: str) -> str:
    """A question in words."""
    return (inspect.getdoc(QUESTIONS[name]) or "").splitlines()[0]


def ask(name: str, candidate: Candidate) -> Answer:
    """What comes of one question."""
    start = time.perf_counter()
    error: Exception | None = None
    outcome: Outcome = "failed"
    try:
        outcome, reason = "passed", QUESTIONS[name](candidate)
    except Beside as beside:
        outcome, reason = "not applicable", str(beside)
    except (Wrong, Failure) as wrong:
        outcome, reason = "failed", str(wrong)
    except Crash as crash:
        outcome, reason, error = "failed", str(crash), crash.error
    except Exception as unexpected:  # noqa: BLE001 - what the class itself raises when it is asked
        outcome, reason, error = "failed", last_line(unexpected, candidate.source), unexpected
    if outcome == "failed" and candidate.fails and name not in TELLING:
        outcome, reason, error = "not applicable", "its plainest run fails", None
    return Answer(name, asks(name), outcome, reason, time.perf_counter() - start, error)


def examine(candidate: Candidate) -> Iterator[Answer]:
    """Every question, one after the other."""
    for name in QUESTIONS:
        yield ask(name, candidate)
