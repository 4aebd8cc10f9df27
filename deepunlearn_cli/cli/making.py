"""What `train`, `unlearn`, `attack` and `bench` have in common: plan or make recipes, then show the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.console import Console, Result
from deepunlearn_cli.cli.listing import plan_table, run_table
from deepunlearn_cli.core.errors import ExitCode, Failure, NotFound, UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.cli.bundles import Making
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Outcome, Runner
    from deepunlearn_cli.store import Run


def check_out(out: Path | None, *, several: bool, cure: str) -> None:
    """Refuse, before anything is made, a file that could not take what is made.

    Args:
        several: whether more than one model was asked for.
        cure: how to ask for one.

    Raises:
        UsageFailure: several models for one file, or a file that cannot be written.
    """
    from deepunlearn_cli.checkpoints import file

    if out and several:
        raise UsageFailure("--out takes one model, and this makes several", cure)
    if out:
        file.check_writable(out)


def deliver(
    runner: Runner,
    recipes: Sequence[Recipe],
    making: Making,
    claims: Mapping[str, Any],
    notes: Callable[[], Sequence[str]] = list,
) -> Result:
    """Make (or plan) the recipes' runs; one failure of one recipe is that failure, of several exit 6.

    Args:
        claims: what the file of `--out` says of itself, beside the only run's weights.
        notes: what else people should know, once the runs are there.
    """
    wanted = [runner.another(recipe) for recipe in recipes] if making.force else list(recipes)
    if making.dry_run:
        return Result(tables=[plan_table(runner, wanted)])
    if making.out:
        _agree(making.out, wanted[0], force=making.force)
    if len(wanted) == 1:
        runs = [runner.ensure(wanted[0])]
        result = _shown(runs, making.out, claims)
    else:
        outcome = runner.ensure_all(wanted)
        runs = outcome.runs
        result = _shown(runs, making.out, claims)
        result.code = _code(outcome)
    runner.store.asked.add(runs)
    result.notes = [*result.notes, *notes()]
    return result


def _code(outcome: Outcome) -> ExitCode:
    """Of a batch: where nothing could be made, and all for one kind of reason, that reason's."""
    codes = {failure.code for _, failure in outcome.failures}
    if len(codes) == 1 and not outcome.runs:
        return codes.pop()
    return ExitCode.PARTLY_FAILED if codes else ExitCode.OK


def possible(attempts: Sequence[Callable[[], Recipe]], console: Console) -> list[Recipe]:
    """The recipes that there can be; each that cannot is told of, and stops no other.

    Raises:
        NotFound, UsageFailure: there is none left: the first reason.
    """
    recipes: list[Recipe] = []
    failures: dict[str, Failure] = {}
    for attempt in attempts:
        try:
            recipes.append(attempt())
        except (NotFound, UsageFailure) as failure:
            failures.setdefault(failure.message, failure)
    if not recipes:
        raise next(iter(failures.values()))
    for one in failures.values():
        console.warn(one.message, one.hint)
    return recipes


def _agree(out: Path, wanted: Recipe, *, force: bool) -> None:
    """Have somebody agree that a file is written over, unless it is of this very run."""
    from deepunlearn_cli.checkpoints import file

    if outputs.check("out", out) and (force or file.run_of(out) != wanted.key):
        outputs.agree(
            "out", out, force=force, cure=f"rm {quote(str(out))}    # --force makes the run again, too"
        )


def _shown(runs: Sequence[Run], out: Path | None, claims: Mapping[str, Any]) -> Result:
    from deepunlearn_cli.checkpoints import file

    result = Result(tables=[run_table(runs)], ids=[run.id for run in runs])
    if out:
        made = {"recipe": runs[0].recipe.to_json(), "created": runs[0].facts.get("created", 0)}
        file.write(out, runs[0].weights(), {**claims, **made})
        result.notes = [f"wrote {out}"]
    return result
