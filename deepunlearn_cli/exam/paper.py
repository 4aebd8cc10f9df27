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


def asks(name: str) -> str:
    """A question in words."""
    return (inspect.getdoc(QUESTIONS[name]) or "").splitlines()[0]


def ask(name: str, candidate: Candidate) -> Answer:
    """What comes of one question."""
    start, error = time.perf_counter(), None
    outcome: Outcome = "failed"
    try:
        outcome, reason = "passed", QUESTIONS[name](candidate)
    except Beside as beside:
        outcome, reason = "not applicable", str(beside)
    except Wrong as wrong:
        outcome, reason = "failed", str(wrong)
    except Crash as crash:
        outcome, reason, error = _of_crash(name, crash)
    except Failure as failure:
        outcome, reason = "failed", failure.message
    except Exception as unexpected:  # noqa: BLE001 - what the class itself raises when it is asked
        outcome, reason, error = "failed", last_line(unexpected, candidate.source), unexpected
    return Answer(name, asks(name), outcome, reason, time.perf_counter() - start, error)


def examine(candidate: Candidate) -> Iterator[Answer]:
    """Every question, one after the other."""
    for name in QUESTIONS:
        yield ask(name, candidate)


def _of_crash(name: str, crash: Crash) -> tuple[Outcome, str, Exception | None]:
    """Where the plainest run fails, one question tells so and those that need it do not apply."""
    if crash.plain and name not in ("cnn", "vit"):
        return "not applicable", "its plainest run fails", None
    return "failed", crash.where, crash.error
