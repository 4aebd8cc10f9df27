"""An audit of models at hand: the same attack and verdict as `deepunlearn attack`, without a store."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks import (
    TOLERANCE,
    Findings,
    OneModel,
    Rule,
    Verdict,
    check_tolerance,
    on_one_model,
)
from deepunlearn_cli.core.errors import UsageFailure, unknown
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.studies.audit import Beside, judge

if TYPE_CHECKING:
    from torch import nn

    from deepunlearn_cli.attacks import Evidence
    from deepunlearn_cli.engine.task import Task

SIDES = ("test", "val")  # where unseen pictures come from, the better one first
PART_OF = {"class": "test"}  # sides of an attack that are no part themselves


@dataclass(frozen=True)
class ModelAudit:
    """What an attack says of a model.

    Attributes:
        verdict: PASS, FAIL or INCONCLUSIVE, by the worst of the attack's figures.
        metric: the figure that decided.
        do_nothing: what the same rule says of the original; None where none was given.
        reference: what it was compared with: `retrained`, or `holdout` (guessing) where none was given.
        needed: forgotten pictures that would settle it; None where that is not known.
        figures: of the attack on the model; `retrained` and `original` those on the controls that were given.
        warnings: what to know before trusting it.
    """

    verdict: Verdict
    metric: str
    reference: str
    needed: int | None
    figures: Mapping[str, Any]
    do_nothing: Verdict | None = None
    retrained: Mapping[str, Any] | None = None
    original: Mapping[str, Any] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def uninformative(self) -> bool:
        """Whether it is a PASS that the original would have got as well."""
        return self.verdict == self.do_nothing == "PASS"


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
        tolerance: how far each of the attack's figures may lie from that on the retrained model, 0 to 0.5.
        seed: of the attack's draws.

    Raises:
        UsageFailure: no unseen pictures, too few, no such attack, or a tolerance out of range.
    """
    check_tolerance(tolerance)
    actor, against = _aimed(attack, [name for name in SIDES if len(task.parts.get(name, ()))])
    ours, control, nothing = (
        _Attacked.of(one, actor, task, against, seed) if one is not None else None
        for one in (model, retrained, original)
    )
    assert ours
    beside = Beside(*(one.evidence if one else None for one in (control, nothing)))
    answer = judge(Rule(actor.metrics(), tolerance), actor, ours.evidence, beside)
    return ModelAudit(
        verdict=answer.verdict,
        metric=answer.decision.decided.metric,
        reference=answer.reference,
        needed=answer.needed,
        figures=ours.figures,
        do_nothing=answer.bound.verdict if answer.bound else None,
        retrained=control.figures if control else None,
        original=nothing.figures if nothing else None,
        warnings=[*ours.findings.warnings, *_seen(task, against)],
    )


@dataclass(frozen=True)
class _Attacked:
    """What an attack found in one model."""

    findings: Findings
    evidence: Evidence

    @classmethod
    def of(cls, model: nn.Module, attack: OneModel, task: Task, against: str, seed: int) -> _Attacked:
        outputs = _outputs(model, task, against)
        return cls(attack.run({"target": lambda: outputs}, seed), attack.evidence(outputs))

    @property
    def figures(self) -> Mapping[str, Any]:
        """Those of the attack, and those that the verdict goes by."""
        return {**self.findings.scores, **self.evidence.about()}


def _aimed(attack: str | OneModel, sides: Sequence[str]) -> tuple[OneModel, str]:
    """The attack, and the part that its unseen pictures come from."""
    known = on_one_model()
    if isinstance(attack, str) and attack not in known:
        raise unknown("attack", attack, known, "`deepunlearn attacks` lists them all")
    wanted = None if isinstance(attack, str) else PART_OF.get(attack.against, attack.against)
    if not sides or wanted not in (None, *sides):
        part = wanted or "test"
        raise UsageFailure(
            f"the task has no unseen pictures: no {part} part", f"make_task(..., {part}=(x, y)) gives some"
        )
    if isinstance(attack, str):
        return known[attack].build({"against": sides[0]}), sides[0]
    assert wanted
    return attack, wanted


def _outputs(model: nn.Module, task: Task, against: str) -> Outputs:
    from deepunlearn_cli.engine import logits
    from deepunlearn_cli.engine.predict import outputs_of

    parts = {name: task.parts[name] for name in ("retain", "forget", against)}
    twin = copy.deepcopy(model)  # whose modes and outputs may change
    logits.settle(twin, logits.blank(twin, parts["forget"].pixels.shape), task.classes)
    return outputs_of(twin, parts, task.precision)


def _seen(task: Task, against: str) -> list[str]:
    """That the unseen pictures were seen after all."""
    if against not in task.facts.get("reads", []):  # type: ignore[operator]
        return []
    return [f"the method read the {against} pictures while unlearning: give others as test=(x, y)"]
