"""What `attack umia` shows: rows of audits, of saved scores, and per sample or class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.reporting import audits
from deepunlearn_cli.reporting.formats import render
from deepunlearn_cli.reporting.table import Table

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Rule
    from deepunlearn_cli.attacks.umia import UMIA
    from deepunlearn_cli.studies.audit import Answer, Audited

Judged = tuple[dict[str, Any], Outputs, Outputs | None]  # a row, its samples, its control's


@dataclass(frozen=True)
class Asked:
    """What to show besides the figures.

    Raises:
        UsageFailure: an unknown slice or format, or a negative number.
    """

    samples: Path | None
    by: str | None
    top: int

    def __post_init__(self) -> None:
        if self.by not in (None, "class"):
            raise UsageFailure(f"--by {self.by} is no way to slice", "--by class")
        if self.top < 0:
            raise UsageFailure(f"--top {self.top} is negative", "--top 10, say")
        if self.samples and self.samples.suffix not in (".csv", ".jsonl"):
            raise UsageFailure(f"--samples {self.samples}: write .csv or .jsonl", "--samples exposed.csv")
        if self.samples and not self.samples.expanduser().absolute().parent.is_dir():
            raise UsageFailure(f"--samples {self.samples}: its folder does not exist", "make it first")


def row(one: Audited, rule: Rule) -> dict[str, Any]:
    """An audited run as plain data."""
    target = one.run.recipe.inputs["target"]
    about = {
        "id": one.run.id,
        "target": target.key,
        "source": "",
        "method": target.name,
        "dataset": target.labels.get("dataset", ""),
        "model": target.model,
        "seed": target.seed,
        "forget": target.forget,
    }
    return about | _answer(one.answer, rule) | one.run.scores


def _answer(answer: Answer | None, rule: Rule) -> dict[str, Any]:
    from deepunlearn_cli.attacks._verdict import ALPHA

    low, high = answer.gap.interval(1 - 2 * ALPHA) if answer else (None, None)
    return {
        "verdict": answer.verdict if answer else None,
        "reference": answer.reference if answer else None,
        "metric": rule.metric,
        "margin": rule.margin,
        "fail_above": rule.fail_above,
        "gap": answer.gap.value if answer else None,
        "gap_low": low,
        "gap_high": high,
        "needed": answer.needed if answer else None,
    }


def of_files(
    attack: UMIA,
    rule: Rule,
    asked: Asked,
    forget: Path,
    against: Path,
    control: tuple[Path, Path] | None,
    seed: int,
) -> Result:
    """The attack on saved scores: no store, no model, no data."""
    from deepunlearn_cli.cli.verdict import code_of
    from deepunlearn_cli.evaluation import saved
    from deepunlearn_cli.studies import audit

    found = attack.run({"target": lambda: {"forget": saved.read(forget), "test": saved.read(against)}}, seed)
    held = None
    if control:
        sides = {"forget": saved.read(control[0]), "test": saved.read(control[1])}
        held = attack.run({"target": lambda: sides}, seed)
    answer = audit.judge(rule, found.scores, found.parts, held.parts if held else None)
    about = {"id": None, "target": None, "source": str(forget), "method": forget.stem, "seed": None}
    one = about | {"against": str(against)} | _answer(answer, rule) | found.scores
    rows = [one]
    if held:
        names = {"source": str(control[0]), "method": control[0].stem} if control else {}
        rows.append(about | names | _answer(None, rule) | held.scores)
    tables = [audits.umia_table(rows, attack.feature)]
    tables += more(asked, [(one, found.parts, held.parts if held else None)], ())
    return Result(tables=tables, notes=audits.answers(rows), code=code_of(rule, [answer.verdict]))


def more(asked: Asked, judged: Sequence[Judged], classes: Sequence[str]) -> list[Table]:
    """The tables asked for besides, and the file."""
    from deepunlearn_cli.reporting import exposure

    tables = []
    if asked.by:
        rows = [_about(r) | c for r, parts, _ in judged for c in exposure.class_rows(parts, classes)]
        tables.append(audits.slice_table(rows))
    if not asked.top and not asked.samples:
        return tables
    every = [
        [_about(r) | s for s in exposure.sample_rows(parts, control, classes)] for r, parts, control in judged
    ]
    if asked.top:
        top = [s for rows in every for s in exposure.most_exposed(rows, asked.top)]
        tables.append(audits.exposed_table(top))
    if asked.samples:
        _write(asked.samples, [s for rows in every for s in rows])
    return tables


def _about(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "target", "source", "method", "seed")}


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table("deepunlearn.umia-sample/1", "", (), rows)
    text = render(table, "csv" if path.suffix == ".csv" else "json")
    try:
        path.expanduser().write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageFailure(f"cannot write {path}: {error.strerror}", "choose another file") from None
