"""The verdicts that a page opens with: of every model of a store that was attacked, by the usual rule."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from deepunlearn_cli.attacks import ATTACKS, Rule
from deepunlearn_cli.cli.verdict import answer_row
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.reporting.pairs import identity, pairs

if TYPE_CHECKING:
    from deepunlearn_cli.cli.source import Source
    from deepunlearn_cli.reporting.table import Fields

ATTACK = "umia"


def verdicts(source: Source) -> list[Fields]:
    """An answer per attacked model: `pair`, `label`, `method`, `seed`, and what `attack --json` says.

    None of figures without outputs, as files have them.
    """
    from deepunlearn_cli.studies.audit import Evidences, recalled

    if source.files:
        return []
    rule = Rule(ATTACKS.needed(ATTACK).metrics())
    rows: list[Fields] = []
    with source.session.runner("cpu", create=False) as runner:
        read = Evidences(runner)
        for pair in pairs(source.records):
            for run in pair.runs():
                if run.method == RETRAIN or not run.usable or not run.attack:
                    continue
                with suppress(Failure):  # outputs that are gone, or a control that cannot be one
                    found = recalled(runner, source.store.find(run.attack), rule, read, planned=False)
                    about = {**identity(run), "pair": pair.label, "seed": run.seed}
                    bound = {"bound": run.method == DO_NOTHING}
                    answer = answer_row(found.answer, rule)
                    rows.append({**about, **bound, **answer, **found.evidence.about()})
    return rows
