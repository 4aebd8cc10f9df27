"""What `unlearn --dry-run` says beside the plan: what methods are likely to cost and to give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.reporting.outlook import flat, outlook_table

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.reporting.table import Table
    from deepunlearn_cli.studies.expectation import Expected, Request
    from deepunlearn_cli.studies.past import Past


def outlooks(starts: Sequence[Start], wanted: Sequence[Recipe], runner: Runner) -> list[Table]:
    """For each original, a table of the methods asked for on it, behind the controls."""
    from deepunlearn_cli.studies.past import Past

    past = {name: Past(runner.store, name) for name in {start.recipe.setting for start in starts}}
    tables = []
    for start in starts:
        ours = [one for one in wanted if start.recipe.key in {needed.key for needed in one.inputs.values()}]
        tables.append(_outlook(start, ours, runner, past[start.recipe.setting]))
    return tables


def _outlook(start: Start, wanted: Sequence[Recipe], runner: Runner, past: Past) -> Table:
    from deepunlearn_cli.studies.expectation import expected

    request = _request(past, start, runner)
    asked = {recipe.name: recipe for recipe in (*_controls(start), *wanted)}
    found = [expected(past, request, recipe) for recipe in asked.values()]
    retrained = next((one for one in found if one.method == RETRAIN), None)
    rows = [_row(one, start, retrained, past) for one in found]
    return outlook_table(rows, _notes(rows, request, past, len(start.forget)))


def _controls(start: Start) -> list[Recipe]:
    from deepunlearn_cli.core.errors import Failure
    from deepunlearn_cli.execution import recipes

    try:
        return [recipes.unlearned(start.recipe, name, start.forget) for name in (RETRAIN, DO_NOTHING)]
    except Failure:  # a training that nobody knows
        return [recipes.unlearned(start.recipe, DO_NOTHING, start.forget)]


def _request(past: Past, start: Start, runner: Runner) -> Request:
    from deepunlearn_cli.core.errors import Failure
    from deepunlearn_cli.studies.difficulty import difficulty
    from deepunlearn_cli.studies.expectation import Request
    from deepunlearn_cli.studies.forecast import sizes_of

    run, hard = runner.store.get(start.recipe.key), None
    with suppress(Failure, KeyError):  # its figures alone came here
        hard = difficulty(run.outputs(), start.forget) if run else None
    device = str(runner.materials.facts()["device"])
    return Request(past.setting, start.forget.sha256, hard, sizes_of(start), device)


def _row(one: Expected, start: Start, retrained: Expected | None, past: Past) -> dict[str, Any]:
    from deepunlearn_cli.methods import METHODS
    from deepunlearn_cli.studies.advice import UNKNOWN, advice

    said = advice(one, retrained, past.noise) if retrained else UNKNOWN
    figures = {name: asdict(found) if found else None for name, found in one.figures.items()}
    figures["Indisc"] = _indiscernible(figures["UMIA"])
    return {
        "id": start.recipe.key,
        "method": one.method,
        "title": METHODS.needed(one.method).title,
        "runs": one.runs,
        "sets": one.sets,
        "alike": one.alike,
        "others": one.others,
        "failed": one.failed,
        "shared": one.shared,
        "work": one.work,
        **{key: value for name, found in figures.items() for key, value in flat(name, found).items()},
        "level": min((f["level"] for f in figures.values() if f and f["low"] < f["high"]), default=None),
        "advice": said,
    }


def _indiscernible(umia: Mapping[str, float] | None) -> dict[str, float] | None:
    """Of an interval of the attack's accuracy: 1 where that holds guessing."""
    from deepunlearn_cli.evaluation.metrics import indiscernibility

    if umia is None:
        return None
    ends = [indiscernibility(umia[name]) for name in ("low", "high")]
    best = 1.0 if umia["low"] <= 0.5 <= umia["high"] else max(ends)
    return {
        "middle": indiscernibility(umia["middle"]),
        "low": min(ends),
        "high": best,
        "level": umia["level"],
    }


def _notes(rows: Sequence[Mapping[str, Any]], request: Request, past: Past, count: int) -> list[str]:
    from deepunlearn_cli.studies import advice

    notes = [_hard(request, count)]
    if not any(row["runs"] for row in rows):
        return [*notes, NOTHING]
    level = [row["level"] for row in rows if row["level"] is not None]
    if level:
        notes.append(
            f"intervals are to hold {min(level):.0%} of such runs, by this store's own on models of the same "
            "training; how often they do: `deepunlearn guide deletion-request`"
        )
    if unlike := [row["title"] for row in rows if row["runs"] and not row["alike"]]:
        notes.append(f"no past request of {', '.join(unlike)} is like this one: intervals may miss by far")
    if any(row["others"] for row in rows):
        notes.append("* of other hyperparameters than are asked for: too few runs have these")
    if any(row["shared"] and row["seconds"] for row in rows):
        notes.append("seconds are of runs that shared the machine with others: alone they are fewer")
    if past.noise is not None:
        notes.append(
            f"RetDev between retrained models of two seeds: {past.noise:.3f} and less in nine of ten"
        )
    advised = [row["advice"] for row in rows]
    notes += [f"{said}: {advice.REASONS[said]}" for said in dict.fromkeys(advised) if said in advice.REASONS]
    if advice.better(advised):
        notes.append("retraining is the better answer here")
    return notes


NOTHING = (
    "this store has no runs of these methods on models of the same training: nothing is forecast. "
    "Work is known beforehand; a few requests unlearned, retrained and attacked tell the rest"
)


def _hard(request: Request, count: int) -> str:
    if request.difficulty is None:
        return f"{count} pictures; how hard they are is unknown: no outputs of their original are at hand"
    return (
        f"{count} pictures, {10**request.difficulty.share:.1%} of the training part; the original knows them "
        f"from unseen ones with probability {request.difficulty.known:.2f} (0.5: not at all); "
        f"{request.difficulty.mixed:.0%} of what lies nearest to them is of another class"
    )
