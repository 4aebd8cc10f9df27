"""An audit of models at hand: the same attack and verdict as `deepunlearn attack`, without a store."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks import TOLERANCE, Findings, OneModel, Rule, Verdict, on_one_model
from deepunlearn_cli.core.errors import UsageFailure, unknown
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.studies.audit import judge

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.engine.task import Task

SIDES = ("test", "val")  # where unseen pictures come from, the better one first


@dataclass(frozen=True)
class ModelAudit:
    """What an attack says of a model.

    Attributes:
        verdict: PASS, FAIL or INCONCLUSIVE.
        reference: what it was compared with: `retrained`, or `holdout` (guessing) where none was given.
        needed: forgotten pictures that would settle it; None where that is not known.
        figures: of the attack on the model; `retrained` and `original` those on the controls that were given.
        warnings: what to know before trusting it.
    """

    verdict: Verdict
    reference: str
    needed: int | None
    figures: Mapping[str, Any]
    retrained: Mapping[str, Any] | None = None
    original: Mapping[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)


def audit(
    model: nn.Module,
    task: Task,
    *,
    retrained: nn.Module | None = None,
    original: nn.Module | None = None,
    attack: str | OneModel = "umia",
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> ModelAudit:
    """Attack a model on a task's forget set against pictures that it never saw, beside its controls.

    Args:
        model: after unlearning.
        task: of `make_task`, with `test` or, failing that, `val` pictures.
        retrained: trained without the forget set: what the model is to be equal to.
        original: before unlearning, as a control.
        attack: a public name (`deepunlearn attacks`), or an instance with settings of yours.
        tolerance: how far the attack's figures may lie from those on the retrained model.
        seed: of the attack's draws.

    Raises:
        UsageFailure: no unseen pictures, too few, or no such attack.
    """
    against = next((name for name in SIDES if len(task.parts.get(name, ()))), None)
    if against is None:
        raise UsageFailure("the task has no unseen pictures", "make_task(..., test=(x, y)) gives some")
    actor = _actor(attack, against)
    ours = _outputs(model, task, against)
    beside = [_outputs(one, task, against) if one is not None else None for one in (retrained, original)]
    found, control, nothing = (_found(actor, one, seed) if one else None for one in (ours, *beside))
    assert found
    answer = judge(Rule(actor.headline(), tolerance), actor, found, control)
    return ModelAudit(
        verdict=answer.verdict,
        reference=answer.reference,
        needed=answer.needed,
        figures=found.scores,
        retrained=control.scores if control else None,
        original=nothing.scores if nothing else None,
        warnings=[*found.warnings, *_seen(task, against)],
    )


def _actor(attack: str | OneModel, against: str) -> OneModel:
    if isinstance(attack, OneModel):
        return attack
    known = on_one_model()
    if attack not in known:
        raise unknown("attack", attack, known, "`deepunlearn attacks` lists them all")
    return known[attack].build({"against": against})


def _outputs(model: nn.Module, task: Task, against: str) -> Outputs:
    from deepunlearn_cli.engine import logits
    from deepunlearn_cli.engine.predict import outputs_of

    parts = {name: part for name, part in task.parts.items() if name in ("retain", "forget", against)}
    twin = copy.deepcopy(model)  # whose modes and outputs may change
    logits.settle(twin, logits.blank(twin, parts["forget"].pixels.shape), task.classes)
    return outputs_of(twin, parts, task.precision)


def _found(attack: OneModel, outputs: Outputs, seed: int) -> Findings:
    return attack.run({"target": lambda: outputs}, seed)


def _seen(task: Task, against: str) -> list[str]:
    """That the unseen pictures were seen after all."""
    if against not in task.facts.get("reads", []):  # type: ignore[operator]
        return []
    return [f"the method read the {against} pictures while unlearning: give others as test=(x, y)"]
