"""An audit: an attack on models, beside the same attack on their controls, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from deepunlearn_cli import data
from deepunlearn_cli.attacks import ATTACKS, Decision, Findings, Gap, OneModel, Rule, Verdict
from deepunlearn_cli.core.errors import StoreCorrupt
from deepunlearn_cli.core.recipe import DO_NOTHING, Recipe
from deepunlearn_cli.execution import chains, own, recipes, references
from deepunlearn_cli.execution.parts import TRAINED, outputs_for
from deepunlearn_cli.execution.runner import Outcome, Runner
from deepunlearn_cli.store import Run
from deepunlearn_cli.store.run import OUTPUTS
from deepunlearn_cli.studies import claims

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Evidence
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.epsilon import Claim

# what an attack is compared with: guessing is `holdout` for want of a retrained model, `guessing` by choice
RETRAINED, HOLDOUT, GUESSING = "retrained", "holdout", "guessing"


@dataclass(frozen=True)
class Answer:
    """What an attack's figures mean.

    Attributes:
        decision: the verdict, and by what.
        reference: `retrained`, or `holdout` where there is no retrained model to compare with, or `guessing`
            where the rule asks for no comparison.
        bound: what the same rule says of doing nothing; None where that is not known.
        needed: forget samples that would settle it (see `power.forget_needed`).
        claim: the model's guarantee, if it has one, beside what was found.
    """

    decision: Decision
    reference: str
    bound: Decision | None = None
    needed: int | None = None
    claim: Claim | None = None

    @property
    def verdict(self) -> Verdict:
        """The decision's, but FAIL whatever the tolerance where a guarantee is found broken."""
        return "FAIL" if self.claim and self.claim.broken else self.decision.verdict

    @property
    def uninformative(self) -> bool:
        """Whether it is a PASS that doing nothing would have got as well."""
        return self.verdict == "PASS" and bool(self.bound and self.bound.verdict == "PASS")


@dataclass(frozen=True)
class Audited:
    """An attack's run, what it found there and in its control, and the answer (none for a control)."""

    run: Run
    findings: Findings
    evidence: Evidence
    control: Findings | None = None
    answer: Answer | None = None


@dataclass(frozen=True)
class Beside:
    """What stands beside an attacked model: its retrained control, and what doing nothing leaves."""

    control: Evidence | None = None
    nothing: Evidence | None = None


def findings_of(run: Run) -> Findings:
    """What an attack's run found."""
    return Findings(run.scores, run.outputs())


def answered(
    rule: Rule, gaps: Sequence[Gap], samples: float, reference: str, nothing: Sequence[Gap] | None = None
) -> Answer:
    """The answer from a model's gaps, and from those of doing nothing to the same reference."""
    bound = rule.decide(nothing, samples) if nothing else None
    return Answer(rule.decide(gaps, samples), reference, bound)


def judge(rule: Rule, attack: OneModel, ours: Evidence, beside: Beside, *, planned: bool = True) -> Answer:
    """The verdict on an attack on one model: beside its control, or beside guessing.

    Args:
        planned: whether to say how many pictures would settle it, which takes longest.

    Raises:
        UsageFailure: the models saw other samples.
    """
    control = beside.control if rule.fail_above is None else None
    missing = HOLDOUT if rule.fail_above is None else GUESSING
    gaps = attack.gaps(rule.metrics, ours, control)
    nothing = attack.gaps(rule.metrics, beside.nothing, control) if beside.nothing else None
    answer = answered(rule, gaps, ours.samples, RETRAINED if control else missing, nothing)
    needed = attack.needed(rule.metrics, ours, control, rule.limit) if planned else None
    return replace(answer, needed=needed)


def audit(runner: Runner, attacks: Sequence[Recipe], rule: Rule) -> tuple[list[Audited], int]:
    """Every attack on one model with its answer, then the controls; and how many attacks failed.

    Raises:
        RunFailed: the only attack failed.
    """
    outcome = runner.ensure_all(attacks)
    controls = controls_of(runner, outcome.runs)
    read = Evidences(runner)
    audits = []
    for run in outcome.runs:
        with _told(run.recipe, runner, outcome):
            there = [controls.get(one.key) if one else None for one in beside(run.recipe, runner)]
            audits.append(_audited(run, rule, there, read))
    attacked = {run.id for run in outcome.runs}
    rest = [run for key, run in controls.items() if key not in attacked]
    for run in rest:
        with _told(run.recipe, runner, outcome):
            audits.append(Audited(run, findings_of(run), read.of(run.recipe)))
    if len(attacks) == 1 and outcome.failures:
        raise outcome.failures[0][1]
    return audits, len(outcome.failures)


@contextmanager
def _told(attack: Recipe, runner: Runner, outcome: Outcome) -> Iterator[None]:
    """What cannot be read of one attack or of its model is its failure alone."""
    try:
        yield
    except StoreCorrupt as error:
        outcome.failures.append((attack, own.told(attack, error)))
        runner.reporter.failed(*outcome.failures[-1])


def recalled(
    runner: Runner, attack: Run, rule: Rule, read: Evidences | None = None, *, planned: bool = True
) -> Audited:
    """An attack on one model that was run before, with its answer; its controls as far as they were, too.

    Args:
        read: what was read of other models.
        planned: whether to say how many pictures would settle it, which takes longest.
    """
    there = [runner.store.get(one.key) if one else None for one in beside(attack.recipe, runner)]
    return _audited(attack, rule, there, read or Evidences(runner), planned=planned)


def stripped(attack: Run, runner: Runner) -> bool:
    """Whether an audit cannot be recalled any more, for what its model said was purged since."""
    target = runner.store.get(attack.recipe.inputs["target"].key)
    if target is None:
        return False
    return OUTPUTS not in target.files or _lacks(attack.recipe, target, runner)


def _lacks(attack: Recipe, target: Run, runner: Runner) -> bool:
    """Whether a model's outputs have nothing left of the pictures that an attack asks about."""
    import numpy as np

    given = target.outputs()
    if attack.forget == target.recipe.forget:
        return "forget" not in given
    asked = _forget(attack, runner).indices
    said = [arrays["index"] for name, arrays in given.items() if name in TRAINED]
    return not np.isin(asked, np.concatenate(said)).all() if said else True


class Evidences:
    """What verdicts go by, of each attacked model read once."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._read: dict[str, Evidence] = {}

    def of(self, attack: Recipe) -> Evidence:
        """From the outputs of the model that is attacked."""
        if attack.key not in self._read:
            self._read[attack.key] = built(attack).evidence(self.outputs(attack))
        return self._read[attack.key]

    def outputs(self, attack: Recipe) -> Outputs:
        """What the attacked model says, part by part as the attack has them."""
        return outputs_for(attack, self.target(attack), self._runner.store.data)

    def target(self, attack: Recipe) -> Run:
        """The run of the model that is attacked."""
        target = attack.inputs["target"]
        return self._runner.store.get(target.key) or self._runner.ensure(target)


def built(attack: Recipe) -> OneModel:
    """The attack of a recipe."""
    actor = ATTACKS.needed(attack.name).build(attack.params)
    assert isinstance(actor, OneModel)
    return actor


def _audited(
    run: Run, rule: Rule, there: Sequence[Run | None], read: Evidences, *, planned: bool = True
) -> Audited:
    """An attack with its answer; `there` are its controls, as in `beside`, as far as they were run."""
    ours = read.of(run.recipe)
    held = Beside(*(read.of(one.recipe) if one else None for one in there))
    attack = built(run.recipe)
    answer = judge(rule, attack, ours, held, planned=planned)
    answer = replace(answer, claim=_claimed(run, attack, read))
    control = findings_of(there[0]) if there[0] else None
    return Audited(run, findings_of(run), ours, control, answer)


def _claimed(run: Run, attack: OneModel, read: Evidences) -> Claim | None:
    target = read.target(run.recipe)
    said = claims.Said(str(run.recipe.labels.get("forget", "")), partial(read.outputs, run.recipe))
    return claims.held(target, attack, said)


def controls_of(runner: Runner, attacked: Sequence[Run]) -> dict[str, Run]:
    """The same attack on each target's retrained model, where the store has it, and on doing nothing."""
    wanted = {control.key: control for run in attacked for control in beside(run.recipe, runner) if control}
    return {run.id: run for run in runner.one_by_one(list(wanted.values())).runs}


def beside(attack: Recipe, runner: Runner) -> tuple[Recipe | None, Recipe | None]:
    """The same attack on the retrained model and on doing nothing, each where that can be."""
    return on_retrained(attack, runner), on_nothing(attack, runner)


def on_retrained(attack: Recipe, runner: Runner) -> Recipe | None:
    """The attack on the retrained model of the same seed and forget sets, if that model is there."""
    target = attack.inputs["target"]
    start = target.inputs.get("original")
    if start is None:
        return None
    reference = references.of(start, _forget(target, runner), runner.store)
    known = runner.store.get(chains.trained(start).key)
    if reference is None:
        _tell_anew(start, runner)
        return None
    if known and (made := runner.store.get(reference.key)):
        references.check_fit(known, made)
    return again(attack, reference, runner)


def _tell_anew(start: Recipe, runner: Runner) -> None:
    """Say that there is no reference where the one that was made is of a training that was said before."""
    last = references.as_said_last(start, runner.store)
    if last.key != start.key and references.training_known(start):
        runner.reporter.told(
            f"how {chains.trained(start).labels.get('file', start.key)} was trained was said anew: models "
            "retrained as was said before are no reference"
        )


def on_nothing(attack: Recipe, runner: Runner) -> Recipe | None:
    """The attack on what doing nothing leaves: the model before the request, judged as if it were unlearned.

    Before all of several requests that is the original.
    """
    forget = _forget(attack, runner)
    start = chains.before_request(attack.inputs["target"], forget.sha256)
    if start is None or not runner.store.get(start.key):  # of a file made elsewhere: not trained for this
        return None
    return again(attack, recipes.unlearned(start, DO_NOTHING, forget), runner)


def again(attack: Recipe, target: Recipe, runner: Runner) -> Recipe:
    """The same attack on another model, of the same part of what it forgot."""
    asked = None if attack.forget == target.forget else _forget(attack, runner)
    return recipes.attack(target, attack.name, attack.params, attack.seed, asked)


def _forget(recipe: Recipe, runner: Runner) -> data.ForgetSet:
    assert recipe.forget
    return data.load_forget(recipe.forget, runner.store.data)
