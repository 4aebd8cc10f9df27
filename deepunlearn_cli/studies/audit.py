"""An audit: an attack on models, beside the same attack on their controls, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deepunlearn_cli import data
from deepunlearn_cli.attacks import ATTACKS, Attack, Findings, OneModel, Rule, Verdict, samples_needed
from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.core.recipe import DO_NOTHING, Recipe
from deepunlearn_cli.evaluation.intervals import Estimate
from deepunlearn_cli.execution import recipes, references
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Run

RETRAINED, HOLDOUT = "retrained", "holdout"  # what an attack is compared with


@dataclass(frozen=True)
class Answer:
    """What an attack's figures mean.

    Attributes:
        reference: `retrained`, or `holdout` where there is no retrained model to compare with.
        gap: the rule's figure less the reference's (what guessing gives for `holdout`).
        needed: forget samples that would settle it (see `samples_needed`).
    """

    verdict: Verdict
    reference: str
    gap: Estimate
    needed: int | None


@dataclass(frozen=True)
class Audited:
    """An attack's run, what it found, what it found in its control, and the answer (none for a control)."""

    run: Run
    findings: Findings
    control: Findings | None = None
    answer: Answer | None = None


def findings_of(run: Run) -> Findings:
    """What an attack's run found."""
    return Findings(run.scores, run.outputs())


def against_control(rule: Rule, attack: Attack, ours: Findings, control: Findings) -> Answer:
    """The verdict on an attack beside the same attack on its control.

    Raises:
        UsageFailure: the control is of other samples, or the rule's limits make no sense.
    """
    return _answer(rule, ours, attack.difference(rule.metric, ours, control), RETRAINED)


def judge(rule: Rule, attack: OneModel, ours: Findings, control: Findings | None) -> Answer:
    """The verdict on an attack on one model; against guessing, for want of a control.

    Raises:
        UsageFailure: as above.
    """
    if control:
        return against_control(rule, attack, ours, control)
    return _answer(rule, ours, attack.advantage(rule.metric, ours), HOLDOUT)


def _answer(rule: Rule, ours: Findings, gap: Estimate, reference: str) -> Answer:
    own = ours.scores[f"{rule.metric}_low"], ours.scores[f"{rule.metric}_high"]
    samples = ours.scores.get("n")
    needed = samples_needed(gap, samples, rule.tolerance) if samples else None
    return Answer(rule.verdict(gap, own), reference, gap, needed)


def audit(runner: Runner, attacks: Sequence[Recipe], rule: Rule) -> tuple[list[Audited], int]:
    """Every attack on one model with its answer, then the controls; and how many attacks failed.

    Raises:
        RunFailed: the only attack failed.
    """
    outcome = runner.ensure_all(attacks)
    if len(attacks) == 1 and outcome.failures:
        raise outcome.failures[0][1]
    controls = _controls(runner, outcome.runs)
    audits = [_audited(runner, run, rule, controls) for run in outcome.runs]
    attacked = {run.id for run in outcome.runs}
    audits += [Audited(run, findings_of(run)) for key, run in controls.items() if key not in attacked]
    return audits, len(outcome.failures)


def _audited(runner: Runner, run: Run, rule: Rule, controls: Mapping[str, Run]) -> Audited:
    attack = ATTACKS.get(run.recipe.name).build(run.recipe.params)
    assert isinstance(attack, OneModel)
    reference = _on_retrained(run.recipe, runner)
    control_run = controls.get(reference.key) if reference else None
    ours, control = findings_of(run), findings_of(control_run) if control_run else None
    return Audited(run, ours, control, judge(rule, attack, ours, control))


def _controls(runner: Runner, attacked: Sequence[Run]) -> dict[str, Run]:
    """The same attack on each target's retrained model, where the store has it, and on doing nothing."""
    controls: dict[str, Run] = {}
    for run in attacked:
        for control in (_on_retrained(run.recipe, runner), _on_nothing(run.recipe, runner)):
            if control and control.key not in controls:
                try:
                    controls[control.key] = runner.ensure(control)
                except RunFailed as failure:
                    runner.reporter.failed(control, failure)
    return controls


def _on_retrained(attack: Recipe, runner: Runner) -> Recipe | None:
    """The attack on the retrained model of the same seed and forget set, if that model is there."""
    target = attack.inputs["target"]
    start = target.inputs.get("original")
    if start is None:
        return None
    reference = references.of(start, _forget(target, runner), runner.store)
    known = runner.store.get(start.key)
    if reference is None:
        return None
    if known and (made := runner.store.get(reference.key)):
        references.check_fit(known, made)
    return _again(attack, reference)


def _on_nothing(attack: Recipe, runner: Runner) -> Recipe | None:
    """The attack on what doing nothing leaves: the original, judged as if it were unlearned."""
    target = attack.inputs["target"]
    start = target.inputs.get("original")
    if start is None or not runner.store.get(start.key):  # of a file made elsewhere: not trained for this
        return None
    return _again(attack, recipes.unlearned(start, DO_NOTHING, _forget(target, runner)))


def _again(attack: Recipe, target: Recipe) -> Recipe:
    return recipes.attack(target, attack.name, attack.params, attack.seed)


def _forget(target: Recipe, runner: Runner) -> data.ForgetSet:
    assert target.forget
    return data.load_forget(target.forget, runner.store.data)
