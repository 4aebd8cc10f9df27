"""What a search would make, and what of it is there: counted, nothing made."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.fields import Domain, Share, Value
from deepunlearn_cli.sweep import choice, finite
from deepunlearn_cli.sweep.question import described

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.sweep.order import Order
    from deepunlearn_cli.sweep.question import Question
    from deepunlearn_cli.sweep.study import Study

DRAWS = 64  # of a space, for the mean cost of its trials


@dataclass(frozen=True)
class Foreseen:
    """A question, how many runs its search and its confirmations are in all, and how many of these there are.

    Failed trials come on top: nobody can know them beforehand.

    Attributes:
        params: the choice, where search and confirmations are there already; else None.
    """

    question: Question
    trials: int
    trials_there: int
    confirmations: int
    confirmations_there: int
    params: Mapping[str, Any] | None


def foresee(order: Order, store: Store, confirm: int) -> list[Foreseen]:
    """Every question of an order.

    Args:
        confirm: how many of the best are run again on fresh seeds.

    Raises:
        UsageFailure: as `Study` and `open_storage` tell.
    """
    return [_foreseen(question, order, store, confirm) for question in order.questions]


def draws(domains: Mapping[str, Domain]) -> list[dict[str, Value]]:
    """Points of a space, the same ones each time, as a search without knowledge draws them."""
    random = Random(0)
    return [{name: _drawn(domain, random) for name, domain in domains.items()} for _ in range(DRAWS)]


def points(domains: Mapping[str, Domain]) -> float:
    """How many points a space has; infinity where one of its ranges is of real numbers."""
    size = finite.size({name: described(domain) for name, domain in domains.items()})
    return math.inf if size is None else size


def _foreseen(question: Question, order: Order, store: Store, confirm: int) -> Foreseen:
    study, most = order.existing(question), points(question.domains)
    wanted, done = int(min(order.wanted, most)), study.done() if study else 0
    wanted = study.goal(order.wanted) if study else wanted
    ended = study if study and done and order.ended(study) else None
    known = _known(question, ended, confirm)
    others = 0 if ended or not confirm else int(min(confirm, most - 1))
    each = len(question.runs)
    first = 0 if done else _there(question.trials(question.defaults), store)
    there = _there(known, store)
    settled = ended if there == len(known) else None
    return Foreseen(
        question,
        (done if ended else wanted) * each,
        done * each + first,
        len(known) + others * each * choice.FRESH_SEEDS,
        there,
        _choice(question, settled, confirm, store) if settled else None,
    )


def _known(question: Question, study: Study | None, confirm: int) -> list[Recipe]:
    """The confirmations that can be named: all of a finished study, else those of the defaults."""
    if not confirm:
        return []
    usual = [choice.Candidate(None, question.defaults, None, defaults=True)]
    return choice.confirmations(question, choice.nominated(study, confirm) if study else usual)


def _choice(question: Question, study: Study, confirm: int, store: Store) -> Mapping[str, Any]:
    few = choice.nominated(study, confirm)
    if confirm:
        runs = [store.get(recipe.key) for recipe in choice.confirmations(question, few)]
        few = choice.confirmed(question, few, {r.id: r.scores for r in runs if r and r.status == "done"})
    return choice.best_of(few).params


def _there(recipes: Sequence[Recipe], store: Store) -> int:
    return sum(store.get(recipe.key) is not None for recipe in recipes)


def _drawn(domain: Domain, random: Random) -> Value:
    if domain.type is bool or domain.choices:
        return random.choice(domain.choices or (False, True))
    low, high = domain.low, _high(domain)
    if domain.type is int:
        return random.randint(int(low), int(high))
    return (
        math.exp(random.uniform(math.log(low), math.log(high))) if domain.log else random.uniform(low, high)
    )


def _high(domain: Domain) -> float:
    assert not isinstance(domain.high, Share)
    return domain.high
