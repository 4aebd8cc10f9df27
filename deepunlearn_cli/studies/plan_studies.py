"""The tables of a plan that make it a study of its own: `[unrolling]` and `[repeated]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deepunlearn_cli.core.errors import NotFound, UsageFailure, unknown
from deepunlearn_cli.core.typed import shortened
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.studies.plan import Plan

UNROLLING = ("lrs", "gammas", "pretrain_epochs")
REPEATED = ("requests", "at_once")
MOST_REQUESTS = 100


def check_unrolling(plan: Plan, name: str) -> None:
    """Refuse what the study of Unrolling SGD cannot be made of."""
    study = plan.unrolling
    check_keys(study, UNROLLING, f"plan {name}: unrolling")
    for key in study if study else ():
        if not isinstance(study[key], list) or not study[key]:
            raise UsageFailure(f"plan {name}: unrolling {key} is not a list of numbers", f"{key} = [...]")
    if study and len(plan.forget_specs) > 1:
        raise UsageFailure(
            f"plan {name}: a study of Unrolling SGD is of one forget set", "give each its plan"
        )
    if study and "gammas" not in study:
        raise UsageFailure(f"plan {name}: unrolling names no gammas", "gammas = [0.0, 0.5]")
    for lr in study.get("lrs", ()):
        recipes.TRAINER.build({"lr": lr})
    for gamma in study.get("gammas", ()):
        recipes.TRAINER.build({"loss": "sd", "gamma": gamma} if gamma else {})
    for epochs in study.get("pretrain_epochs", ()):
        recipes.TRAINER.build({"epochs": epochs} if epochs else {})


def check_repeated(plan: Plan, name: str) -> None:
    """Refuse what the study of deletions in a row cannot be made of."""
    check_keys(plan.repeated, REPEATED, f"plan {name}: repeated")
    requests = plan.repeated.get("requests", 2)
    if not isinstance(plan.repeated.get("at_once", []), list):
        raise UsageFailure(f"plan {name}: repeated at_once is not a list of numbers", "at_once = [2, 10]")
    if plan.repeated and "requests" not in plan.repeated:
        raise UsageFailure(f"plan {name}: repeated does not say how many requests", "requests = 10")
    if not isinstance(requests, int) or not 2 <= requests <= MOST_REQUESTS:
        raise UsageFailure(
            f"plan {name}: repeated requests = {shortened(repr(requests))} is not a whole number from 2 to "
            f"{MOST_REQUESTS}",
            "requests = 10",
        )
    for count in plan.repeated.get("at_once", ()):
        if not isinstance(count, int) or not 1 <= count <= requests:
            raise UsageFailure(
                f"plan {name}: repeated at_once = {shortened(repr(count))} is not a number of requests, 1 to "
                f"{requests}",
                f"at_once = [1, {requests}]",
            )
    if plan.repeated and len(plan.forget_specs) > 1:
        raise UsageFailure(f"plan {name}: [repeated] draws every request alike", 'forget = "random:0.03"')


def check_keys(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse keys that a table has not."""
    for key in given:
        if key not in known:
            failure: NotFound = unknown("key", key, known, f"keys: {', '.join(known)}")
            raise UsageFailure(f"{where}: {failure.message}", failure.hint)
