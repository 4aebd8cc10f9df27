"""An audit by attacks that work on the model itself, beside its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deepunlearn_cli.attacks import ATTACKS, Findings, Judgement, Probe, Rule
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import chains
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Run
from deepunlearn_cli.studies.audit import again, controls_of, findings_of, on_nothing, on_retrained


@dataclass(frozen=True)
class Probed:
    """An attack's run, and the verdict (none for a control).

    Attributes:
        uninformative: whether it is a PASS where the original, judged in the model's place, would not fail.
    """

    run: Run
    judgement: Judgement | None = None
    uninformative: bool = False


def audit_itself(
    runner: Runner, attacks: Sequence[Recipe], rule: Rule, given: Recipe | None = None
) -> tuple[list[Probed], int]:
    """Every attack with its verdict, then the controls; and how many attacks failed.

    Args:
        rule: the figures that the verdict goes by, and its limits.
        given: the model to compare with, in place of the retrained model of the same seed.

    Raises:
        RunFailed: the only attack failed, or that on the model to compare with.
        UsageFailure: that model has another forget set.
    """
    if given:
        _check_given(attacks, given)
    outcome = runner.ensure_all(attacks)
    if len(attacks) == 1 and outcome.failures:
        raise outcome.failures[0][1]
    controls = controls_of(runner, outcome.runs)
    if given:
        controls |= _given(runner, outcome.runs, given)
    audits = [_probed(runner, run, rule, controls, given) for run in outcome.runs]
    attacked = {run.id for run in outcome.runs}
    audits += [Probed(run) for key, run in controls.items() if key not in attacked]
    return audits, len(outcome.failures)


def _check_given(attacks: Sequence[Recipe], given: Recipe) -> None:
    for attack in attacks:
        if {*chains.behind(attack.inputs["target"])} != {*chains.behind(given)}:
            raise UsageFailure(
                f"{given.key} has not the forget set of {attack.inputs['target'].key}",
                "compare with a retrained model of the same forget set",
            )


def _given(runner: Runner, attacked: Sequence[Run], given: Recipe) -> dict[str, Run]:
    """The same attack on the model to compare with."""
    controls = {}
    for run in attacked:
        control = again(run.recipe, given, runner)
        controls[control.key] = runner.ensure(control)
    return controls


def _probed(
    runner: Runner,
    run: Run,
    rule: Rule,
    controls: Mapping[str, Run],
    given: Recipe | None,
) -> Probed:
    attack = ATTACKS.needed(run.recipe.name).build(run.recipe.params)
    assert isinstance(attack, Probe)
    reference = again(run.recipe, given, runner) if given else on_retrained(run.recipe, runner)
    control = _found(controls, reference) if rule.fail_above is None else None
    judgement = attack.judge(rule.metrics, findings_of(run), control, rule.limit)
    if given and judgement.reference == "retrained":
        judgement = replace(judgement, reference=given.key)
    nothing = _found(controls, on_nothing(run.recipe, runner))
    unseen = (
        nothing is not None and attack.judge(rule.metrics, nothing, control, rule.limit).verdict != "FAIL"
    )
    return Probed(run, judgement, judgement.verdict == "PASS" and unseen)


def _found(controls: Mapping[str, Run], attack: Recipe | None) -> Findings | None:
    run = controls.get(attack.key) if attack else None
    return findings_of(run) if run else None
