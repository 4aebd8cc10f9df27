"""What an attack says of each class and of each sample: its options, tables and file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.reporting import audits
from deepunlearn_cli.reporting.formats import render
from deepunlearn_cli.reporting.table import Table

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Findings
    from deepunlearn_cli.data import Dataset
    from deepunlearn_cli.reporting.exposure import SampleRow

PANEL = "Per sample"


@dataclass(frozen=True)
class Judged:
    """An attacked model: its row, what was found in it, and what in its control."""

    row: Mapping[str, Any]
    findings: Findings
    control: Findings | None
    dataset: Dataset | None = None  # None for saved scores

    @property
    def about(self) -> dict[str, Any]:
        """Which model it is."""
        return {name: self.row[name] for name in ("id", "target", "source", "method", "seed")}


class PerSample(Bundle):
    """What to show besides the figures."""

    samples: Annotated[
        Path | None,
        option(
            metavar="FILE", help="Write a line per sample to a .csv or .jsonl file.", rich_help_panel=PANEL
        ),
    ] = None
    by: Annotated[
        str | None,
        option(metavar="class", help="The attack within each class.", rich_help_panel=PANEL),
    ] = None
    top: Annotated[
        int,
        option(metavar="N", help="Show so many of the most exposed forget samples.", rich_help_panel=PANEL),
    ] = 0

    def check(self) -> None:
        """Refuse what cannot be shown.

        Raises:
            UsageFailure: an unknown slice or format, a negative number, or a folder that is not there.
        """
        if self.by not in (None, "class"):
            raise UsageFailure(f"--by {self.by} is no way to slice", "--by class")
        if self.top < 0:
            raise UsageFailure(f"--top {self.top} is negative", "--top 10, say")
        if self.samples and self.samples.suffix not in (".csv", ".jsonl"):
            raise UsageFailure(f"--samples {self.samples}: write .csv or .jsonl", "--samples exposed.csv")
        if self.samples and not self.samples.expanduser().absolute().parent.is_dir():
            raise UsageFailure(f"--samples {self.samples}: its folder does not exist", "make it first")

    def tables(
        self, attack: str, title: str, judged: Sequence[Judged], classes: Sequence[str]
    ) -> list[Table]:
        """The tables asked for, of an attack with such a name and title; writes the file."""
        from deepunlearn_cli.reporting import exposure

        tables = []
        if self.by:
            rows = [
                {**one.about, **row}
                for one in judged
                for row in exposure.class_rows(one.findings.parts, classes)
            ]
            tables.append(audits.slice_table(rows, attack, title))
        if not self.top and not self.samples:
            return tables
        samples = [(one.about, _sample_rows(one, classes)) for one in judged]
        if self.top:
            top = [
                {**about, **row} for about, rows in samples for row in exposure.most_exposed(rows, self.top)
            ]
            tables.append(audits.exposed_table(top, attack))
        if self.samples:
            every = [{**about, **row} for about, rows in samples for row in rows]
            _write(self.samples, audits.exposed_table(every, attack))
        return tables


def _sample_rows(one: Judged, classes: Sequence[str]) -> list[SampleRow]:
    """A row per sample, numbered as the pictures' owner counts, so that `indices:FILE` takes the numbers."""
    from deepunlearn_cli.reporting import exposure

    control, dataset = one.control.parts if one.control else None, one.dataset
    every = exposure.sample_rows(one.findings.parts, control, classes)
    rows = [row for row in every if row["index"] >= 0]  # less those that were purged
    return [{**row, "index": dataset.number_of(row["index"])} for row in rows] if dataset else rows


def _write(path: Path, table: Table) -> None:
    text = render(table, "csv" if path.suffix == ".csv" else "jsonl")
    try:
        write_whole(path, f"{text}\n".encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageFailure(f"cannot write {path}: {error.strerror}", "choose another file") from None
