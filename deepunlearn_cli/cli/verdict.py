"""What `attack umia` and `attack ulira` answer by: the options of the verdict and its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from deepunlearn_cli.attacks import MARGIN, Rule, check_limit, check_margin
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.core.errors import ExitCode, UsageFailure, unknown

CODES = {"FAIL": ExitCode.AUDIT_FAILED, "INCONCLUSIVE": ExitCode.AUDIT_INCONCLUSIVE}  # the worst first
PANEL = "Verdict"

Margin = Annotated[
    float | None,
    option(
        help=f"How far from its control the attack may be; the exit code follows. (default: {MARGIN})",
        rich_help_panel=PANEL,
    ),
]
FailAbove = Annotated[
    float | None,
    option(
        help="Fail if the attack itself, or 1 minus it, is above this (0.5 is guessing); "
        "the exit code follows.",
        rich_help_panel=PANEL,
    ),
]
Metric = Annotated[str, option(help="What the verdict goes by: accuracy or auc.", rich_help_panel=PANEL)]
Gate = Annotated[bool, option("--gate", help="Exit 4 on FAIL and 5 on INCONCLUSIVE.", rich_help_panel=PANEL)]


def read_rule(metric: str, margin: float | None, fail_above: float | None, gate: bool) -> Rule:
    """The rule of the verdict; any limit that was asked for makes the exit code follow it.

    Raises:
        UsageFailure: a limit out of range, both limits, or no such metric.
    """
    if metric not in ("accuracy", "auc"):
        failure = unknown("metric", metric, ("accuracy", "auc"), "--metric accuracy, or auc")
        raise UsageFailure(failure.message, failure.hint)
    if margin is not None and fail_above is not None:
        raise UsageFailure("--margin and --fail-above are two rules", "give one of them")
    if margin is not None:
        check_margin(margin)
    if fail_above is not None:
        check_limit(fail_above)
    gated = gate or margin is not None or fail_above is not None
    return Rule(metric, MARGIN if margin is None else margin, fail_above, gated)


def code_of(rule: Rule, verdicts: Sequence[str | None]) -> ExitCode:
    """The exit code of the worst verdict, if the rule is a gate."""
    return next((CODES[word] for word in CODES if rule.gate and word in verdicts), ExitCode.OK)
