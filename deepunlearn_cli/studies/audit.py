"""An audit: an attack on models, beside the same attack on their controls, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepunlearn_cli import data
from deepunlearn_cli.attacks import Rule, Verdict, equivalent, samples_needed, within
from deepunlearn_cli.attacks._umia import advantage, difference
from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.core.recipe import DO_NOTHING, Recipe
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.evaluation.intervals import Estimate
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Run

RETRAINED, HOLDOUT = "retrained", "holdout"  # what an attack is held against


@dataclass(frozen=True)
class Answer:
    """What an attack's figures mean.

    Attributes:
        reference: `retrained`, or `holdout` where there is no retrained model to compare with.
        gap: accuracy or AUC less the reference's (0.5 for `holdout`).
        limit: the margin, or the limit of `fail_above`.
        needed: forget samples that would settle it (see `samples_needed`).
    """

    verdict: Verdict
    reference: str
    gap: Estimate
    limit: float
    needed: int | None


@dataclass(frozen=True)
class Audited:
    """An attack's run, what it found per sample, its control's, and the answer (none for a control)."""

    run: Run
    parts: Outputs
    control: Outputs | None = None
    answer: Answer | None = None


def judge(rule: Rule, scores: Mapping[str, Any], parts: Outputs, control: Outputs | None) -> Answer:
    """The verdict on one attack by a rule.

    Raises:
        UsageFailure: the control is of other samples, or the rule's limits make no sense.
    """
    gap = difference(rule.metric, parts, control) if control else advantage(rule.metric, parts)
    reference = RETRAINED if control else HOLDOUT
    needed = samples_needed(gap, int(scores["n"]), rule.margin)
    if rule.fail_above is None:
        return Answer(equivalent(gap, rule.margin), reference, gap, rule.margin, needed)
    ends = scores[f"{rule.metric}_low"], scores[f"{rule.metric}_high"]
    return Answer(within(ends, rule.fail_above), reference, gap, rule.fail_above, needed)


def audit(runner: Runner, attacks: Sequence[Recipe], rule: Rule) -> tuple[list[Audited], int]:
    """Every attack with its answer, then the controls; and how many attacks failed.

    Raises:
        RunFailed: the only attack failed.
    """
    outcome = runner.ensure_all(attacks)
    if len(attacks) == 1 and outcome.failures:
        raise outcome.failures[0][1]
    controls = _controls(runner, outcome.runs)
    found = [_audited(runner, run, rule, controls) for run in outcome.runs]
    asked = {run.id for run in outcome.runs}
    found += [Audited(run, run.outputs()) for key, run in controls.items() if key not in asked]
    return found, len(outcome.failures)


def _audited(runner: Runner, run: Run, rule: Rule, controls: Mapping[str, Run]) -> Audited:
    reference = _reference(run.recipe, runner)
    held = controls.get(reference.key) if reference else None
    parts, control = run.outputs(), held.outputs() if held else None
    return Audited(run, parts, control, judge(rule, run.scores, parts, control))


def _controls(runner: Runner, attacked: Sequence[Run]) -> dict[str, Run]:
    """The same attack on each target's retrained model, where the store has it, and on its original."""
    found: dict[str, Run] = {}
    for run in attacked:
        for control in (_reference(run.recipe, runner), _bound(run.recipe, runner)):
            if control and control.key not in found:
                try:
                    found[control.key] = runner.ensure(control)
                except RunFailed as failure:
                    runner.reporter.failed(control, failure)
    return found


def _reference(attack: Recipe, runner: Runner) -> Recipe | None:
    """The attack on the retrained model of the same seed and forget set, if that model is there."""
    target = attack.inputs["target"]
    start = target.inputs.get("original")
    if start is None:
        return None
    reference = recipes.retrained(start, _forget(target, runner))
    return _again(attack, reference) if runner.store.get(reference.key) else None


def _bound(attack: Recipe, runner: Runner) -> Recipe | None:
    """The attack on the original: what doing nothing would give."""
    target = attack.inputs["target"]
    start = target.inputs.get("original")
    if start is None:
        return None
    return _again(attack, recipes.unlearned(start, DO_NOTHING, _forget(target, runner)))


def _again(attack: Recipe, target: Recipe) -> Recipe:
    return recipes.attack(target, attack.name, attack.params, attack.seed)


def _forget(target: Recipe, runner: Runner) -> data.ForgetSet:
    assert target.forget
    return data.load_forget(target.forget, runner.store.data)
