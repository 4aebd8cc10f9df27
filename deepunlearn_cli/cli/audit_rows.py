"""Audits of runs and of saved scores, as rows of plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.per_sample import Judged, PerSample
from deepunlearn_cli.cli.verdict import answer_row, code_of
from deepunlearn_cli.core.recipe import RETRAIN
from deepunlearn_cli.reporting import audits

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Findings, OneModel, Rule
    from deepunlearn_cli.studies.audit import Audited

Files = tuple[Path, Path]  # scores of the forget set, and of unseen samples


def audit_row(one: Audited, rule: Rule) -> dict[str, Any]:
    """An audited run: which model, the answer, and every score of the attack."""
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
        "forget_label": target.labels.get("forget"),
        "original": target.inputs["original"].key if "original" in target.inputs else None,
    }
    return {**about, **answer_row(one.answer, rule), **one.findings.scores}


def audited_files(
    attack: OneModel, rule: Rule, per_sample: PerSample, files: Files, control: Files | None, seed: int
) -> Result:
    """The attack on saved scores: no store, no model, no data."""
    from deepunlearn_cli.studies.audit import judge

    ours = _on_files(attack, files, seed)
    theirs = _on_files(attack, control, seed) if control else None
    answer = judge(rule, attack, ours, theirs)
    about = {"id": None, "target": None, "source": str(files[0]), "method": files[0].stem, "seed": None}
    rows = [{**about, "against": str(files[1]), **answer_row(answer, rule), **ours.scores}]
    if control and theirs:
        names = {"source": str(control[0]), "method": control[0].stem}
        rows.append({**about, **names, **answer_row(None, rule), **theirs.scores})
    tables = [audits.audit_table(rows, attack.name(), attack.heading(), attack.columns)]
    tables += per_sample.tables(attack.name(), attack.title, [Judged(rows[0], ours, theirs)], ())
    return Result(tables=tables, notes=audits.answers(rows), code=code_of(rule, [answer.verdict]))


def _on_files(attack: OneModel, files: Files, seed: int) -> Findings:
    from deepunlearn_cli.evaluation import saved

    outputs = {"forget": saved.read(files[0]), attack.against: saved.read(files[1])}
    return attack.run({"target": lambda: outputs}, seed)


def advice(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to make where there is nothing to compare with."""
    wanted = {
        f"`deepunlearn unlearn {row['original']} --method retrain --forget {quote(row['forget_label'])}`"
        for row in rows
        if row["reference"] == "holdout" and row["method"] != RETRAIN and row["original"]
    }
    return [f"no retrained model to compare with; make one: {command}" for command in sorted(wanted)]
