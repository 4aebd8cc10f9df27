"""What every attack answers by: the options of the verdict, and its exit code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from deepunlearn_cli.attacks import (
    ATTACKS,
    TOLERANCE,
    Attack,
    Rule,
    Verdict,
    check_limit,
    check_tolerance,
    gap_interval,
)
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import ExitCode, NotFound, UsageFailure, unknown

if TYPE_CHECKING:
    from deepunlearn_cli.evaluation.epsilon import Claim
    from deepunlearn_cli.evaluation.equivalence import Tested
    from deepunlearn_cli.studies.audit import Answer

CODES = {"FAIL": ExitCode.AUDIT_FAIL, "INCONCLUSIVE": ExitCode.AUDIT_INCONCLUSIVE}  # the worst first
PANEL = "Verdict"
CONTROL = "retrained"  # what `--require-control` takes
WITHOUT = ("holdout", "guessing", "null")  # what an answer is held against where it is not that model


def _complete_metrics(ctx: typer.Context, incomplete: str) -> list[str]:
    """The figures of the attack that is typed, the last of a list."""
    before, comma, begun = incomplete.rpartition(",")
    known = ATTACKS.known(ctx.info_name or "")
    names = known.metrics() if known else ()
    return [f"{before}{comma}{name}" for name in names if name.startswith(begun)]


class VerdictOptions(Bundle):
    """How a verdict is reached, and whether the exit code follows it."""

    tolerance: Annotated[
        float | None,
        option(
            metavar="GAP",
            help="How far from its control each figure may be, either way (tails: half of it); the exit code "
            f"follows. (default: {TOLERANCE})",
            rich_help_panel=PANEL,
        ),
    ] = None
    fail_above: Annotated[
        float | None,
        option(
            metavar="LIMIT",
            help="Compare the attack with guessing (0.5) instead of its control: each figure may be as far "
            "from it as this, either way; the exit code follows.",
            rich_help_panel=PANEL,
        ),
    ] = None
    metric: Annotated[
        str | None,
        option(
            metavar="NAME[,NAME]",
            autocompletion=_complete_metrics,
            help="Figures that the verdict goes by, of those that `deepunlearn attacks NAME` lists. "
            "(default: all of them)",
            rich_help_panel=PANEL,
        ),
    ] = None
    gate: Annotated[
        bool,
        option(
            "--gate",
            help="Exit 4 on FAIL, and 5 on INCONCLUSIVE or a PASS that doing nothing would get as well.",
            rich_help_panel=PANEL,
        ),
    ] = False
    accept_uninformative: Annotated[
        bool,
        option(
            "--accept-uninformative",
            help="Exit 0 on PASS where doing nothing would pass too.",
            rich_help_panel=PANEL,
        ),
    ] = False

    require_control: Annotated[
        str | None,
        option(
            metavar="retrained",
            help="End in 3 where the retrained model is not there to compare with, instead of comparing with "
            "guessing.",
            rich_help_panel=PANEL,
        ),
    ] = None

    def rule(self, attack: type[Attack]) -> Rule:
        """The rule for an attack; any limit that was given makes the exit code follow it.

        Raises:
            UsageFailure: a limit out of range, both limits, or a metric that the attack has not.
        """
        if self.tolerance is not None and self.fail_above is not None:
            raise UsageFailure("--tolerance and --fail-above are two rules", "give one of them")
        if self.tolerance is not None:
            check_tolerance(self.tolerance)
        if self.fail_above is not None:
            check_limit(self.fail_above)
        self._check_control()
        gate = self.gate or self.tolerance is not None or self.fail_above is not None
        tolerance = TOLERANCE if self.tolerance is None else self.tolerance
        metrics = self._metrics(attack)
        required = self.require_control is not None
        return Rule(metrics, tolerance, self.fail_above, gate, self.accept_uninformative, required)

    def _check_control(self) -> None:
        if self.require_control not in (None, CONTROL):
            raise UsageFailure(
                f"--require-control {self.require_control} is no control of attacks",
                f"--require-control {CONTROL}",
            )
        if self.require_control and self.fail_above is not None:
            raise UsageFailure(
                f"--require-control {CONTROL} compares with that model, and --fail-above with guessing",
                "give one of them",
            )

    def _metrics(self, attack: type[Attack]) -> tuple[str, ...]:
        known = attack.metrics()
        if self.metric is None:
            return known
        chosen = tuple(dict.fromkeys(name.strip() for name in self.metric.split(",")))
        for name in chosen:
            if name not in known:
                failure = unknown("metric", name, known, f"--metric {', or '.join(known)}")
                raise UsageFailure(failure.message, failure.hint)
        return chosen


def code_of(rule: Rule, rows: Sequence[Mapping[str, Any]]) -> ExitCode:
    """The exit code of the worst answer among rows, if the rule is a gate.

    Raises:
        NotFound: the rule asks for a retrained model beside each, and one has none.
    """
    if rule.against_retrained:
        _check_retrained(rows)
    if not rule.gate:
        return ExitCode.OK
    words = {row["verdict"] for row in rows}
    if any(row["uninformative"] for row in rows) and not rule.accept_uninformative:
        words.add("INCONCLUSIVE")
    return next((CODES[word] for word in CODES if word in words), ExitCode.OK)


def _check_retrained(rows: Sequence[Mapping[str, Any]]) -> None:
    from deepunlearn_cli.reporting.answers import retraining

    bare = [row for row in rows if row["verdict"] and row["reference"] in WITHOUT]
    if bare:
        row = bare[0]
        what = row.get("target") or row.get("source") or row["method"]
        hint = retraining(row) or "make one, or name one with --retrained REF (--control FILE FILE of scores)"
        raise NotFound(f"no retrained model to compare {row['method']} {what} with", hint)


class FigureRow(TypedDict):
    """One figure's part in a verdict, as plain data; ends of its gap are None where too few samples tell."""

    metric: str
    verdict: Verdict
    value: float
    control: float
    gap: float
    gap_low: float | None
    gap_high: float | None
    limit: float


class ClaimRow(TypedDict):
    """A guarantee beside what was found, as plain data; `low` is None where there is no bound (`why`)."""

    epsilon: float
    delta: float
    low: float | None
    broken: bool
    against: str
    n_forget: int
    n_unseen: int
    models: int
    why: str


class AnswerRow(TypedDict):
    """An answer as plain data; a control's is None where it would be.

    `metric` is the figure that decided, and the gap that of it at the threshold where it decided; `figures`
    has all. `do_nothing` is what the same rule says of doing nothing, `do_nothing_figures` by what.
    `by_figures` is the verdict without the model's guarantee, which is the `claim`: FAIL where it is broken.
    """

    verdict: Verdict | None
    by_figures: Verdict | None
    claim: ClaimRow | None
    do_nothing: Verdict | None
    do_nothing_figures: list[FigureRow]
    uninformative: bool | None
    reference: str | None
    metric: str | None
    tolerance: float
    fail_above: float | None
    limit: float | None
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    needed: int | None
    few: bool | None
    figures: list[FigureRow]


def answer_row(answer: Answer | None, rule: Rule) -> AnswerRow:
    """An answer as plain data; a control has none."""
    decision = answer.decision if answer else None
    decided = figure_row(decision.decided) if decision else None
    return {
        "verdict": answer.verdict if answer else None,
        "by_figures": decision.verdict if decision else None,
        "claim": claim_row(answer.claim) if answer and answer.claim else None,
        "do_nothing": answer.bound.verdict if answer and answer.bound else None,
        "do_nothing_figures": [figure_row(one) for one in answer.bound.tested]
        if answer and answer.bound
        else [],
        "uninformative": answer.uninformative if answer else None,
        "reference": answer.reference if answer else None,
        "metric": decided["metric"] if decided else None,
        "tolerance": rule.tolerance,
        "fail_above": rule.fail_above,
        "limit": decided["limit"] if decided else None,
        "gap": decided["gap"] if decided else None,
        "gap_low": decided["gap_low"] if decided else None,
        "gap_high": decided["gap_high"] if decided else None,
        "needed": answer.needed if answer else None,
        "few": decision.few if decision else None,
        "figures": [figure_row(one) for one in decision.tested] if decision else [],
    }


def claim_row(claim: Claim) -> ClaimRow:
    """A guarantee beside what was found, as plain data."""
    return {
        "epsilon": claim.epsilon,
        "delta": claim.delta,
        "low": claim.low,
        "broken": claim.broken,
        "against": claim.against,
        "n_forget": claim.forget,
        "n_unseen": claim.unseen,
        "models": claim.models,
        "why": claim.why,
    }


def figure_row(tested: Tested) -> FigureRow:
    """One figure as plain data."""
    known = math.isfinite(tested.gap.error)
    low, high = gap_interval(tested.gap) if known else (None, None)
    return {
        "metric": tested.metric,
        "verdict": tested.verdict,
        "value": tested.ours,
        "control": tested.theirs,
        "gap": tested.gap.value,
        "gap_low": low,
        "gap_high": high,
        "limit": tested.limit,
    }
