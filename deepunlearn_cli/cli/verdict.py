"""What every attack answers by: the options of the verdict, and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict

from deepunlearn_cli.attacks import (
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
from deepunlearn_cli.core.errors import ExitCode, UsageFailure, unknown

if TYPE_CHECKING:
    from deepunlearn_cli.studies.audit import Answer

CODES = {"FAIL": ExitCode.AUDIT_FAIL, "INCONCLUSIVE": ExitCode.AUDIT_INCONCLUSIVE}  # the worst first
PANEL = "Verdict"


class VerdictOptions(Bundle):
    """How a verdict is reached, and whether the exit code follows it."""

    tolerance: Annotated[
        float | None,
        option(
            metavar="GAP",
            help="How far from its control the attack may be, either way; the exit code follows. "
            f"(default: {TOLERANCE})",
            rich_help_panel=PANEL,
        ),
    ] = None
    fail_above: Annotated[
        float | None,
        option(
            metavar="LIMIT",
            help="Compare the attack's own 95 % interval with this, and with 1 minus it (0.5 is guessing): "
            "PASS inside, FAIL outside (exit 4), else INCONCLUSIVE (exit 5).",
            rich_help_panel=PANEL,
        ),
    ] = None
    metric: Annotated[
        str | None,
        option(
            metavar="NAME",
            help="The figure that the verdict goes by: one that `deepunlearn attacks NAME` lists. "
            "(default: the first of them)",
            rich_help_panel=PANEL,
        ),
    ] = None
    gate: Annotated[
        bool, option("--gate", help="Exit 4 on FAIL and 5 on INCONCLUSIVE.", rich_help_panel=PANEL)
    ] = False

    def rule(self, attack: type[Attack]) -> Rule:
        """The rule for an attack; any limit that was given makes the exit code follow it.

        Raises:
            UsageFailure: a limit out of range, both limits, or a metric that the attack has not.
        """
        metric = self.metric or attack.headline()
        if metric not in (known := attack.metrics()):
            failure = unknown("metric", metric, known, f"--metric {', or '.join(known)}")
            raise UsageFailure(failure.message, failure.hint)
        if self.tolerance is not None and self.fail_above is not None:
            raise UsageFailure("--tolerance and --fail-above are two rules", "give one of them")
        if self.tolerance is not None:
            check_tolerance(self.tolerance)
        if self.fail_above is not None:
            check_limit(self.fail_above)
        gate = self.gate or self.tolerance is not None or self.fail_above is not None
        return Rule(metric, TOLERANCE if self.tolerance is None else self.tolerance, self.fail_above, gate)


def code_of(rule: Rule, verdicts: Sequence[str | None]) -> ExitCode:
    """The exit code of the worst verdict, if the rule is a gate."""
    return next((CODES[word] for word in CODES if rule.gate and word in verdicts), ExitCode.OK)


class AnswerRow(TypedDict):
    """An answer as plain data; a control's is None where it would be."""

    verdict: Verdict | None
    reference: str | None
    metric: str
    tolerance: float
    fail_above: float | None
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    needed: int | None


def answer_row(answer: Answer | None, rule: Rule) -> AnswerRow:
    """An answer as plain data; a control has none."""
    low, high = gap_interval(answer.gap) if answer else (None, None)
    return {
        "verdict": answer.verdict if answer else None,
        "reference": answer.reference if answer else None,
        "metric": rule.metric,
        "tolerance": rule.tolerance,
        "fail_above": rule.fail_above,
        "gap": answer.gap.value if answer else None,
        "gap_low": low,
        "gap_high": high,
        "needed": answer.needed if answer else None,
    }
