"""`report --diff A B`: two runs, two exports or two stores, read for comparison."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.only import Only
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.source import Source
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import ExitCode, Failure, UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.evaluation.intervals import Estimate
    from deepunlearn_cli.reporting.diff import Side
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.store import Run

PARTS = {"RA": "retain", "FA": "forget", "TA": "test"}


class Comparing(Bundle):
    """Two that are held against each other."""

    diff: Annotated[
        tuple[str, str] | None,
        option(
            metavar="OLD NEW",
            help="Two runs, two files of `bench --export` or two stores: which figures moved beyond their "
            "intervals.",
        ),
    ] = None
    fail_on_regression: Annotated[
        bool, option("--fail-on-regression", help="With --diff: exit 4 where a figure got worse.")
    ] = False

    @property
    def asked(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.diff or self.fail_on_regression)

    def result(self, session: Session, only: Only) -> Result:
        """What moved from one to the other; with a gate exit 4 where something got worse.

        Raises:
            UsageFailure, NotFound: as `compared`; two are not named.
        """
        from deepunlearn_cli.reporting.diff import regressed

        if self.diff is None:
            raise UsageFailure("--fail-on-regression compares two", "deepunlearn report --diff OLD NEW")
        table = compared(session, *self.diff, only)
        worse = self.fail_on_regression and regressed(table)
        return Result(tables=[table], code=ExitCode.AUDIT_FAIL if worse else ExitCode.OK)


def compared(session: Session, old: str, new: str, only: Only) -> Table:
    """The table of both.

    Raises:
        UsageFailure: a run against a store or a file.
        NotFound: neither a file, a store nor a run; nothing in both.
    """
    from deepunlearn_cli.reporting.diff import diff_table

    kinds = {_kind(old), _kind(new)}
    if "run" in kinds and len(kinds) > 1:
        raise UsageFailure(
            f"--diff {old} {new}: one is a run, and the other is not", "two runs, two exports or two stores"
        )
    if kinds == {"run"}:
        return _of_runs(session, old, new)
    return diff_table(_side(session, old, only), _side(session, new, only))


def _kind(name: str) -> str:
    path = Path(name)
    return "store" if path.is_dir() else "file" if path.is_file() else "run"


def _side(session: Session, name: str, only: Only) -> Side:
    from deepunlearn_cli.reporting.diff import Side

    path = Path(name)
    if path.is_dir():
        return Side(name, Source(replace(session, store_path=path), only).records)
    return Side(name, Source(session, only, files=[path]).records)


def _of_runs(session: Session, old: str, new: str) -> Table:
    from deepunlearn_cli.reporting.diff import Side, diff_table

    store = session.store()
    runs = [store.find(ref) for ref in (old, new)]
    records = {one.id: one for one in Source(session, asked=[run.id for run in runs]).records}
    for run in runs:
        if run.id not in records:
            raise UsageFailure(
                f"run {run.id} is no unlearned or retrained model",
                "deepunlearn runs --kind unlearn lists some",
            )
    sides = [Side(run.id, [records[run.id]]) for run in runs]
    return diff_table(sides[0], sides[1], _gaps(runs[0], runs[1]))


def _gaps(old: Run, new: Run) -> dict[str, Estimate]:
    """Differences of accuracies, over the same pictures; none where outputs are gone or of others."""
    from deepunlearn_cli.evaluation.intervals import CONFIDENCE, Estimate, accuracy_gap, quantile

    found: dict[str, Estimate] = {}
    for measure, part in PARTS.items():
        with suppress(Failure, KeyError):
            if known := accuracy_gap(old.outputs()[part], new.outputs()[part]):
                gap, low, high = known
                found[measure] = Estimate(gap, (high - low) / (2 * quantile((1 + CONFIDENCE) / 2)))
    return found
