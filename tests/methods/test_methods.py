"""The exam of the method room, asked of every resident: the questions are those of `deepunlearn check`."""

from __future__ import annotations

from functools import cache

import pytest
import tiny
from room_kit import residents

from deepunlearn_cli import unlearn
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.exam.candidate import Candidate
from deepunlearn_cli.exam.paper import QUESTIONS, ask
from deepunlearn_cli.exam.trial import Setting
from deepunlearn_cli.methods import METHODS

NAMES = METHODS.names()
LONG = "hyperparameters"


@cache
def candidate(name: str) -> Candidate:
    return Candidate(METHODS.get(name), name)


def test_everyone_was_examined() -> None:
    paper = "ft srl ga fcs msg cfw prmq ct kde rni ff iu cfk euk scrub salun ngplus bt"
    assert residents(METHODS) == NAMES
    assert {*paper.split(), "do-nothing", "retrain"} <= set(NAMES)


@pytest.mark.parametrize(
    "question", [pytest.param(q, marks=pytest.mark.slow) if q == LONG else q for q in QUESTIONS]
)
@pytest.mark.parametrize("name", NAMES)
def test_passes(name: str, question: str) -> None:
    answer = ask(question, candidate(name))
    assert answer.outcome != "failed", answer


NOTHING = {"other-seed", "batches", "hyperparameters"}  # do not apply to who draws, reads or is set nothing


@pytest.mark.parametrize("name", NAMES)
def test_few_questions_do_not_apply(name: str) -> None:
    """What a method is excused from is what it has not got."""
    asked = {question: ask(question, candidate(name)) for question in QUESTIONS if question != LONG}
    excused = {question for question, answer in asked.items() if answer.outcome == "not applicable"}
    assert excused <= NOTHING


@pytest.mark.slow
@pytest.mark.parametrize("kind", tiny.MODELS)
@pytest.mark.parametrize("name", NAMES)
def test_works_in_half_precision(name: str, kind: str) -> None:
    trial = candidate(name).acted(Setting(kind=kind, precision="bf16"))
    assert tiny.same(trial.before, trial.after) != METHODS.get(name).changes_weights


@pytest.mark.parametrize("name", NAMES)
def test_is_found_by_its_names(name: str) -> None:
    cls = METHODS.get(name)
    assert METHODS.public_name(name) == name
    assert all(METHODS.get(alias) is cls for alias in cls.aliases)


@pytest.mark.parametrize("name", ["ft", "scrub", "kde"])
def test_a_part_that_is_not_there_is_named(name: str) -> None:
    for missing in METHODS.get(name).needs:
        fewer = tuple(part for part in METHODS.get(name).needs if part != missing)
        with pytest.raises(Failure, match=f"reads the {missing} set"):
            unlearn(tiny.original(name), candidate(name).build(), tiny.task("cnn", fewer))


# forward and backward samples of 2 epochs over 48 retain and 12 forget pictures
WORK = {
    "ft": (96, 96),
    "ga": (24, 24),
    "msg": (24 + 96, 24 + 96),
    "ngplus": (96 + 24, 96 + 24),
    "do-nothing": (0, 0),
    "retrain": (96, 96),
    "srl": (120, 120),
    "scrub": (2 * 2 * 60, 2 * 60),
    "ff": (48, 3 * 48),
    "ssd": (72, 72),
    "singlegradient": (12, 12),
    "amnesiac": (0, 0),
}


@pytest.mark.parametrize("name", WORK)
def test_counts_its_work(name: str) -> None:
    cost = candidate(name).run().task.cost
    assert (cost.forward, cost.backward) == WORK[name]
