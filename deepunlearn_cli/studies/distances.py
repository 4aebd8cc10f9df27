"""How far models lie apart in their weights: verification error, beside what it must be read against.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398): v = |w_unlearned - w_retrained|, over trainable
weights (BatchNorm's running statistics are none).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from shlex import quote
from typing import TYPE_CHECKING

from deepunlearn_cli import data, models
from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.core.recipe import RETRAIN, Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.reporting.records import PairKey, Record
from deepunlearn_cli.store import Run

if TYPE_CHECKING:
    from torch import Tensor

Figures = dict[str, float]
Weights = list["Tensor"]  # trainable weights, in the order of `named_parameters()`


@dataclass(frozen=True)
class Distances:
    """What weight tables are made of.

    Attributes:
        runs: by id, `v`, `v_original`, and every `e...` of the original.
        floors: by pair, for every two retrained models, their ids joined by `/`, and how far apart they lie.
    """

    runs: Mapping[str, Figures]
    floors: Mapping[PairKey, Sequence[tuple[str, float]]]


def distances(records: Sequence[Record], runner: Runner, said: str | None = None) -> Distances:
    """Weight distances of all usable runs that have a retrained model of their seed.

    Which weights are trained only the model tells: one of the user's own must be the one that was `said`, or
    its runs are left out, with a warning.
    """
    from deepunlearn_cli.engine.weights import distance

    pairs: dict[PairKey, list[Record]] = defaultdict(list)
    for record in records:
        if record.usable and not unagreed(record.model, said):
            pairs[record.pair_key].append(record)
    for model in sorted({record.model for record in records if unagreed(record.model, said)}):
        runner.reporter.warned(
            f"left out: runs of {model}, whose code --model {quote(model)} agrees to import"
        )
    runs: dict[str, Figures] = {}
    floors: dict[PairKey, list[tuple[str, float]]] = {}
    for pair, group in pairs.items():
        reader = _Reader(runner)
        held = {one.seed: reader.weights(one.id) for one in group if one.method == RETRAIN}
        for record in group:
            if record.seed in held and record.method != RETRAIN:
                runs[record.id] = reader.figures(record.id, held[record.seed])
        named = {seed: one.id for one in group for seed in [one.seed] if one.method == RETRAIN}
        floors[pair] = [
            (f"{named[a]}/{named[b]}", distance(held[a], held[b])) for a, b in combinations(held, 2)
        ]
    return Distances(runs, floors)


def unagreed(model: str, said: str | None = None) -> bool:
    """Whether a model is code that nobody agreed to import."""
    return model != said and models.is_code(model)


def of_run(run: Run, runner: Runner) -> Figures:
    """The same of one unlearned run; empty where the store has no retrained model of its seed.

    Empty too where its model is code: whoever looks at a run does not agree to import that.
    """
    if unagreed(run.recipe.model):
        return {}
    recipe, start = run.recipe, run.recipe.inputs.get("original")
    if recipe.kind != "unlearn" or run.status != "done" or start is None or recipe.forget is None:
        return {}
    with suppress(Failure):  # no forget set, data or weights to compare: then there is nothing to tell
        reference = recipes.retrained(start, data.load_forget(recipe.forget, runner.store.data))
        if (held := runner.store.get(reference.key)) and held.status == "done":
            reader = _Reader(runner)
            return reader.figures(run.id, reader.weights(held.id))
    return {}


class _Reader:
    """Trainable weights of runs of one architecture."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._names: list[str] = []
        self._originals: dict[str, Weights] = {}

    def weights(self, run_id: str) -> Weights:
        run = self.runner.store.find(run_id)
        self._names = self._names or self._trainable(run.recipe)
        weights = run.weights()
        return [weights[name] for name in self._names]

    def figures(self, run_id: str, retrained: Weights) -> Figures:
        from deepunlearn_cli.engine.weights import distance

        root = self.runner.store.find(run_id).recipe.root
        if root.key not in self._originals:
            self._originals = {root.key: self.weights(root.key)}  # of one seed at a time
        return {
            "v": distance(self.weights(run_id), retrained),
            "v_original": distance(self._originals[root.key], retrained),
            **self._errors(root.key),
        }

    def _errors(self, original: str) -> Figures:
        errors = self.runner.store.find(original).facts.get("unlearning_error", {})
        return {
            name: value for name, value in errors.items() if name.startswith("e") and name != "eigenvalue"
        }

    def _trainable(self, recipe: Recipe) -> list[str]:
        return [name for name, _ in self.runner.materials.fresh(recipe, "init").named_parameters()]
