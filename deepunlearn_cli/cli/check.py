"""`deepunlearn check`: the exam that every method passes, for a method of one's own too."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.options import complete_methods
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.core.errors import ExitCode
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.exam.answers import Answer
    from deepunlearn_cli.exam.candidate import Candidate

Row = dict[str, Any]


@register(
    app,
    "check",
    "deepunlearn check ft",
    "deepunlearn check ./mine.py    # the only method in the file",
    "deepunlearn check ./mine.py:Mine --json | jq 'select(.outcome == \"failed\")'",
    "deepunlearn check all    # some minutes",
)
def check(
    session: Session,
    name: Annotated[
        str,
        argument(
            metavar="NAME[,NAME]|all|FILE.py[:CLASS]",
            help="Methods, or a class of your own.",
            autocompletion=complete_methods,
        ),
    ],
) -> Result:
    """Examine a method as this project's tests do: does it do what it declares, and nothing else?

    It runs on tiny pictures and networks, on the CPU, and needs no store. A question is passed, failed or not
    applicable, with the reason in a line; exit 4 if any is failed. Some questions ask for an attribute that
    excuses what is meant so: `deepunlearn guide contributing` tells of them.
    """
    from deepunlearn_cli.exam.candidate import Candidate
    from deepunlearn_cli.methods import METHODS

    names = METHODS.names() if name == "all" else list(dict.fromkeys(name.split(",")))
    candidates = [Candidate(METHODS.get(one), one) for one in names]
    rows: list[Row] = []
    with session.bars() as bars, _to_itself():
        for number, candidate in enumerate(candidates):
            of_it = []
            for done, answer in _answers(session, candidate):
                bars.progress(number + done, len(candidates), f"{candidate.name} {answer.question}")
                of_it.append(_row(candidate, answer))
            if len(candidates) > 1:
                bars.told(f"{candidate.name}: {_tally(of_it)}")
            rows += of_it
    failed = any(row["outcome"] == "failed" for row in rows)
    table = _table(rows, several=len(candidates) > 1)
    return Result(tables=[table], code=ExitCode.AUDIT_FAIL if failed else ExitCode.OK)


def _answers(session: Session, candidate: Candidate) -> Iterator[tuple[float, Answer]]:
    """Each answer, with the share of the questions that are asked then."""
    from deepunlearn_cli.exam.paper import QUESTIONS, examine

    for number, answer in enumerate(examine(candidate), 1):
        if answer.error and session.debug:
            traceback.print_exception(answer.error)
        yield number / len(QUESTIONS), answer


@contextmanager
def _to_itself() -> Iterator[None]:
    """What a method prints goes to stderr; one thread is the fastest for tiny pictures."""
    import torch

    torch.set_num_threads(1)
    with redirect_stdout(sys.stderr):
        yield


def _row(candidate: Candidate, answer: Answer) -> Row:
    return {
        "method": candidate.name,
        "question": answer.question,
        "asks": answer.asks,
        "outcome": answer.outcome,
        "reason": answer.reason,
        "seconds": round(answer.seconds, 3),
    }


def _table(rows: list[Row], *, several: bool) -> Table:
    names = [Column("method", lambda row: str(row["method"]))] if several else []
    columns = [
        *names,
        Column("question", lambda row: str(row["question"])),
        Column("outcome", lambda row: str(row["outcome"])),
        Column("asks", lambda row: str(row["asks"])),
        Column("why", lambda row: str(row["reason"])),
    ]
    return Table("deepunlearn.answer/1", "", columns, rows, [_tally(rows)])


def _tally(rows: list[Row]) -> str:
    """How many questions ended how."""
    counts = [
        (sum(row["outcome"] == outcome for row in rows), outcome)
        for outcome in ("passed", "failed", "not applicable")
    ]
    return ", ".join(f"{count} {outcome}" for count, outcome in counts if count)
