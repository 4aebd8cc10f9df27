"""What U-LiRA found of each method, as rows for its tables and figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks.ulira import ULiRA
from deepunlearn_cli.cli.source import title, titles
from deepunlearn_cli.cli.verdict import answer_row
from deepunlearn_cli.core.recipe import CONTROLS, DO_NOTHING, RETRAIN
from deepunlearn_cli.evaluation.klom import LEAST_MODELS
from deepunlearn_cli.reporting import ulira as views
from deepunlearn_cli.reporting.titles import of_plugins

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Findings, Rule
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.studies import shadows
    from deepunlearn_cli.studies.audit import Answer

Draws = tuple[float, int]  # a forget set's share of a half, and how many there are of each half


def stored_rows(store: Store, attacks: Sequence[IndexRow]) -> list[dict[str, Any]]:
    """What the figure needs of the newest U-LiRA of each method among these attacks."""
    known = titles() | of_plugins(attacks)
    newest: dict[str, dict[str, Any]] = {}
    for row in attacks:
        run = store.find(row["id"])
        method, samples = run.recipe.labels["method"], run.outputs()["samples"]
        drawn = {"histogram": views.histogram(samples["accuracy"]), "accuracy": run.scores["accuracy"]}
        about = {"title": known.get(method, method), "control": method in CONTROLS}
        newest[method] = about | drawn
    return sorted(newest.values(), key=order)


def order(row: Mapping[str, Any]) -> tuple[bool, float]:
    """The easiest to attack last; what failed after all others."""
    return row["accuracy"] is None, row["accuracy"] or 0.0


def klom_notes(rows: Sequence[Mapping[str, Any]], draws: Draws) -> list[str]:
    """What KLoM's floor is, or what it takes to have it."""
    if all(row["klom"] is None for row in rows):
        more = f"--splits {_splits_for_klom(*draws)} here, or a larger --share or more --forget-sets"
        return [f"KLoM takes {LEAST_MODELS} models of a picture: {more}"]
    return ["KLoM's floor is that of the retrained models, whose row has it: few models differ by chance"]


def _splits_for_klom(share: float, forget_sets: int) -> int:
    """Splits in which a picture is forgotten at least once as often as KLoM needs it, on average."""
    return math.ceil(LEAST_MODELS / ((1 - (1 - share) ** forget_sets) / 2))


def _klom(attack: ULiRA, ours: Findings | None, control: Findings | None) -> dict[str, float | None]:
    """KLoM, its floor and what is between them, each with the ends of its 95 % interval."""
    found = attack.klom(ours, control) if ours and control else None
    fields: dict[str, float | None] = {}
    for name in ("value", "floor", "excess"):
        one = getattr(found, name) if found else None
        low, high = one.interval() if one else (None, None)
        key = "klom" if name == "value" else f"klom_{name}"
        fields |= {key: one.value if one else None, f"{key}_low": low, f"{key}_high": high}
    counts = {name: getattr(found, name) if found else None for name in ("pictures", "models")}
    return fields | {f"klom_{name}": count for name, count in counts.items()}


def row_of(
    analysis: shadows.Analysis, attack: ULiRA, rule: Rule, controls: Mapping[str, Findings]
) -> dict[str, Any]:
    """What was found of a method, and the answer where there is one."""
    from deepunlearn_cli.studies import audit

    ours = audit.findings_of(analysis.run) if analysis.run else None
    is_control = analysis.method in CONTROLS
    answer = None
    if ours and RETRAIN in controls and not is_control:
        answer = replace(_answered(rule, ours, controls), claim=analysis.claim)
    return {
        "id": analysis.run.id if analysis.run else None,
        "method": analysis.method,
        "title": title(analysis.method),
        "control": is_control,
        "reason": analysis.failure.message if analysis.failure else None,
        **(ours.scores if ours else dict.fromkeys(ULiRA.score_names())),
        **_klom(attack, ours, controls.get(RETRAIN)),
        **answer_row(answer, rule),
        "histogram": views.histogram(ours.parts["samples"]["accuracy"]) if ours else [],
    }


def _answered(rule: Rule, ours: Findings, controls: Mapping[str, Findings]) -> Answer:
    """The verdict on a method beside the retrained models, or beside guessing where the rule says so."""
    from deepunlearn_cli.studies.audit import GUESSING, RETRAINED, answered

    control = controls[RETRAIN] if rule.fail_above is None else None
    nothing, attack = controls.get(DO_NOTHING), ULiRA()
    gaps = attack.gaps(rule.metrics, ours, control)
    bound = attack.gaps(rule.metrics, nothing, control) if nothing else None
    return answered(rule, gaps, ours.scores["samples"], RETRAINED if control else GUESSING, bound)
