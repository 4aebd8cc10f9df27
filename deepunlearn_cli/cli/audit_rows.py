"""Audits of runs and of saved scores, as rows of plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.per_sample import Judged, PerSample
from deepunlearn_cli.cli.verdict import AnswerRow, answer_row, code_of
from deepunlearn_cli.reporting import audits
from deepunlearn_cli.reporting.answers import answers, retraining

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Evidence, Findings, OneModel, Rule
    from deepunlearn_cli.evaluation.saved import Sides
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.studies.audit import Audited

Files = tuple[Path, Path]  # scores of the forget set, and of unseen samples


@dataclass(frozen=True)
class SavedFiles:
    """Saved scores of a model, and of the models beside it."""

    scores: Files
    control: Files | None = None  # of the retrained model
    original: Files | None = None  # of the model before unlearning


def audit_row(one: Audited, rule: Rule) -> dict[str, Any]:
    """An audited run: which model, the answer, and every score of the attack."""
    answer = answer_row(one.answer, rule)
    return {**about(one.run), **answer, **one.findings.scores, **one.evidence.about()}


def audited_table(rows: Sequence[Mapping[str, Any]], attack: OneModel, rule: Rule) -> Table:
    """Audits as a table."""
    name, heading, accepted = attack.name(), attack.heading(), rule.accept_uninformative
    return audits.audit_table(rows, name, heading, attack.columns, accepted=accepted)


def place_of(runs: Sequence[Run]) -> dict[str, str]:
    """The data, the architecture and the kind of forget set, which all of these share."""
    recipe = runs[0].recipe if runs else None
    labels = recipe.labels if recipe else {}
    told = {"dataset": labels.get("dataset", ""), "forget_label": labels.get("forget", "")}
    return {**told, "model": recipe.model if recipe else ""}


def about(attack: Run) -> dict[str, Any]:
    """Which model an attack is on."""
    from deepunlearn_cli.execution import chains

    recipe, target = attack.recipe, attack.recipe.inputs["target"]
    return {
        "id": attack.id,
        "target": target.key,
        "source": "",
        "method": target.name,
        "dataset": target.labels.get("dataset", ""),
        "model": target.model,
        "seed": target.seed,
        "forget": recipe.forget,
        "forget_label": recipe.labels.get("forget"),
        "request": chains.number(target, str(recipe.forget)),
        "requests": [*reversed(chains.specs(target))],
        "original": target.inputs["original"].key if "original" in target.inputs else None,
    }


def audited_files(
    attack: OneModel, rule: Rule, per_sample: PerSample, files: SavedFiles, seed: int
) -> Result:
    """The attack on saved scores: no store, no model, no data."""
    from deepunlearn_cli.evaluation import saved
    from deepunlearn_cli.studies.audit import Beside, judge

    given = files.scores, files.control, files.original
    sides = saved.read_sides(*given)
    pairs = zip(given, sides, strict=True)
    ours, control, original = (_OnFiles.of(attack, f, s, seed) if f and s else None for f, s in pairs)
    assert ours
    beside = Beside(*(one.evidence if one else None for one in (control, original)))
    answer = judge(rule, attack, ours.evidence, beside)
    rows = [ours.row(answer_row(answer, rule))]
    rows += [one.row(answer_row(None, rule)) for one in (control, original) if one]
    tables = [audited_table(rows, attack, rule)]
    judged = Judged(rows[0], ours.findings, control.findings if control else None)
    tables += per_sample.tables(attack.name(), attack.title, [judged], ())
    notes = answers(rows) + _doubts(sides[0], sides[1])
    return Result(tables=tables, notes=notes, code=code_of(rule, rows))


def _doubts(audited: Sides | None, held: Sides | None) -> list[str]:
    from deepunlearn_cli.evaluation.saved import same

    if not audited or not held or not all(map(same, audited, held)):
        return []
    return ["the control's scores are the audited scores themselves: no gap between them can be found"]


@dataclass(frozen=True)
class _OnFiles:
    """What an attack found in saved scores."""

    files: Files
    findings: Findings
    evidence: Evidence

    @classmethod
    def of(cls, attack: OneModel, files: Files, sides: Sides, seed: int) -> _OnFiles:
        outputs = {"forget": sides[0], attack.against: sides[1]}
        return cls(files, attack.run({"target": lambda: outputs}, seed), attack.evidence(outputs))

    def row(self, answer: AnswerRow) -> dict[str, Any]:
        source, against = map(str, self.files)
        about = {"id": None, "target": None, "source": source, "method": self.files[0].stem, "seed": None}
        return {**about, "against": against, **answer, **self.findings.scores, **self.evidence.about()}


def advice(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to make where there is nothing to compare with."""
    wanted = {retraining(row) for row in rows if row["reference"] == "holdout"} - {""}
    return [f"no retrained model to compare with; make one: `{command}`" for command in sorted(wanted)]
