"""How a model from elsewhere was trained: what its user says, and what was said of it before."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import chains, recipes, references
from deepunlearn_cli.methods import METHODS

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner

AUGMENT = "augment"  # among what is said of a training, beside its hyperparameters
TABLE = "training"  # of a TOML file


@dataclass(frozen=True)
class Stated:
    """What is known of a training: its hyperparameters as recipes hold them, and whether it augmented."""

    params: Mapping[str, Any]
    augment: bool | None = None


def read(entries: Sequence[str]) -> Stated:
    """What `--training` says: `epochs=30`, `augment=false`, or the `[training]` table of a TOML file.

    Raises:
        NotFound: no such file.
        UsageFailure: a file without the table, or a hyperparameter that training has not.
    """
    said: dict[str, object] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        said |= {name.strip().replace("-", "_"): value} if equals else _table(Path(entry))
    augment = said.pop(AUGMENT, None)
    if augment is not None and str(augment).lower() not in ("true", "false"):
        raise UsageFailure(f"--training augment={augment} is neither true nor false", "augment=false, say")
    built = recipes.TRAINER.build(said).params()
    return Stated(built, None if augment is None else str(augment).lower() == "true")


def _table(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise NotFound(f"--training {path}: no such file", "--training epochs=30, or a TOML file")
    try:
        table = tomllib.loads(path.read_text("utf-8")).get(TABLE)
    except (ValueError, RecursionError, OSError) as error:
        raise UsageFailure(f"{path} is not TOML: {error}", "[training] with epochs = 30, say") from None
    if not isinstance(table, dict) or not table:
        raise UsageFailure(f"{path} has no table [{TABLE}]", "[training] with epochs = 30, say")
    return table


def stated(recipe: Recipe, params: Mapping[str, Any], augment: bool) -> Recipe:
    """A checkpoint's recipe, with its training known."""
    return replace(
        recipe,
        params={**recipe.params, "training": dict(params)},
        data=dict(recipe.data) | {AUGMENT: augment},
        labels=dict(recipe.labels) | {references.KNOWN: "stated"},
    )


def recalled(recipe: Recipe, runner: Runner) -> Recipe:
    """A checkpoint's recipe with what was said of its training last in this store, unless it is said now."""
    if recipe.labels.get(references.KNOWN) == "stated":
        return recipe
    last = references.said_last(recipe, runner.store)
    if last is None or last.key == recipe.key:
        return recipe
    if references.training_known(recipe) and not references.by_its_user(last, runner.store):
        return recipe
    said = last.params["training"]
    runner.reporter.told(f"its training is taken to be as said last: {_shown(said)}")
    return stated(recipe, said, last.data[AUGMENT])


def _shown(params: Mapping[str, Any]) -> str:
    usual = recipes.TRAINER().params()
    return " ".join(f"{k}={v}" for k, v in params.items() if usual.get(k) != v) or "the defaults"


def ready(
    starts: Sequence[Recipe], wanted: Mapping[str, Mapping[str, Any]], runner: Runner, *, augment: bool
) -> list[Recipe]:
    """Originals that every wanted method can start from: for a retrained model their training must be known.

    Args:
        wanted: methods by name, with the hyperparameters asked for.
        augment: False where pictures are to be shown as they are.

    Raises:
        UsageFailure: nobody said how a checkpoint was trained, or it was trained otherwise than asked.
    """
    anew = [given for name, given in wanted.items() if METHODS.needed(name).from_scratch]
    if not anew:
        return list(starts)
    if len(wanted) == 1 and not augment:
        _check_augmented(starts)
    known = [_known_for(chains.trained(one), anew[0], augment=augment, runner=runner) for one in starts]
    if len(anew) < len(wanted):  # the other methods go on from unlearned models as they are
        return [one if one.forget else first for one, first in zip(starts, known, strict=True)]
    return [chains.rooted(one, first) for one, first in zip(starts, known, strict=True)]


def _check_augmented(starts: Sequence[Recipe]) -> None:
    for start in map(chains.trained, starts):
        if references.training_known(start) and start.data[AUGMENT]:
            raise UsageFailure(
                f"{start.key} was trained with augmentation: retrained without, it is no reference",
                "leave --no-augment out; `deepunlearn train --no-augment` trains an original without",
            )


def _known_for(recipe: Recipe, given: Mapping[str, Any], *, augment: bool, runner: Runner) -> Recipe:
    """A checkpoint with the training that was said last, or is now by hyperparameters of its reference."""
    if recipe.kind != references.CHECKPOINT:
        return recipe
    last = references.said_last(recipe, runner.store) or recipe
    if not references.training_known(last) and not given and augment:
        raise UsageFailure(
            f"nobody said how {recipe.labels.get('file', recipe.key)} was trained, and a model retrained "
            "otherwise is no reference",
            "say how (--training epochs=30 --training lr=0.05 ...: `deepunlearn methods retrain`), "
            "or --control FILE takes a model that you retrained without the forget set",
        )
    built = recipes.TRAINER.build({**last.params["training"], **given}).params()
    if references.training_known(last) and built == last.params["training"]:
        if last.key != recipe.key:
            runner.reporter.told(f"its training is taken to be as said last: {_shown(built)}")
        return last
    known = stated(recipe, built, augment and bool(last.data[AUGMENT]))
    if not runner.store.get(known.key):
        run = runner.store.find(recipe.key)
        runner.store.put(
            known, weights=run.weights(), outputs=run.outputs(), scores=run.scores, facts=run.facts
        )
    references.say(known, runner.store)
    return known
