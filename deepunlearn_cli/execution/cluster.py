"""A runner whose runs are made on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution.carrying import Carrier
from deepunlearn_cli.execution.own import usable
from deepunlearn_cli.execution.pool import PoolRunner
from deepunlearn_cli.execution.runner import Outcome, Reporter, Runner
from deepunlearn_cli.system.actor_pool import ActorPool
from deepunlearn_cli.system.cluster import Cluster, connected, describe

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run, Store
    from deepunlearn_cli.system.protocol import Pool

FEW = 2  # inputs of an attack that is made on the cluster; what gathers more is made where they all are


class ClusterRunner(PoolRunner):
    """A runner that makes nothing itself but what gathers many runs (U-LiRA's analysis).

    Each worker has the threads and the share of a card that it was promised, however many there are: results
    depend on those, and so only on the command.

    Args:
        jobs: workers at most; None for as many as the cluster has room for.
    """

    def __init__(
        self,
        store: Store,
        device: str,
        reporter: Reporter | None,
        jobs: int | None,
        cluster: Cluster,
        carrier: Carrier,
    ) -> None:
        super().__init__(store, device, reporter, jobs)
        self.cluster, self._carrier = cluster, carrier

    def width(self, recipes: Sequence[Recipe]) -> int:
        """As asked for, or as many as the cluster has room for now."""
        return self.jobs or max(1, sum(self.cluster.slots(self.device).values()))

    def outsources(self, jobs: int) -> bool:
        """Always: there."""
        return True

    def prepare(self, recipes: Iterable[Recipe]) -> None:
        """Have them here, for nodes to fetch."""
        for recipe in recipes:
            self.ensure_whole(recipe)

    def pool(self, jobs: int) -> Pool:
        """So many workers, where the cluster has room for them."""
        return ActorPool(self.cluster, self.device, jobs, self._carrier, self.reporter.warned)

    def ensure_all(self, recipes: Sequence[Recipe]) -> Outcome:
        """All runs that can be made, each on some node; what gathers many of them in the end here."""
        here = [recipe for recipe in recipes if _gathers(recipe)]
        there = [recipe for recipe in recipes if not _gathers(recipe)]
        needed = [one for recipe in here for one in recipe.inputs.values()]
        outcome = self._made([*there, *needed], self.width(there))
        runs = {run.id: run for run in outcome.runs}
        failures = {recipe.key: failure for recipe, failure in outcome.failures}
        for recipe in here:
            self._gather(recipe, runs, failures)
        return Outcome(
            [runs[recipe.key] for recipe in recipes if recipe.key in runs],
            [(recipe, failures[recipe.key]) for recipe in recipes if recipe.key in failures],
        )

    def one_by_one(self, recipes: Sequence[Recipe]) -> Outcome:
        """The same by a single worker, so that nobody shares its machine with another of ours."""
        if all(map(_gathers, recipes)):
            return super().one_by_one(recipes)
        return self._made(recipes, 1)

    def ensure(self, recipe: Recipe) -> Run:
        """The run of a recipe, made on some node.

        Raises:
            RunFailed: there is no usable model, or it could not be made.
        """
        if _gathers(recipe) or self.store.get(recipe.key):
            return super().ensure(recipe)
        return _only(self._made([recipe], 1))

    def ensure_whole(self, recipe: Recipe) -> Run:
        """The same, with its weights and outputs."""
        run = self.store.get(recipe.key)
        if _gathers(recipe) or (run and run.whole):
            return super().ensure_whole(recipe)
        return _only(self._made([recipe], 1))

    def _made(self, recipes: Sequence[Recipe], jobs: int) -> Outcome:
        return self.made_by(jobs, recipes, self.plan(recipes))

    def _gather(self, recipe: Recipe, runs: dict[str, Run], failures: dict[str, RunFailed]) -> None:
        """An analysis of many runs, if all of those are there."""
        broken = next((failures[one.key] for one in recipe.inputs.values() if one.key in failures), None)
        if broken is None:
            outcome = Runner.one_by_one(self, [recipe])
            runs |= {run.id: run for run in outcome.runs}
            failures |= {one.key: failure for one, failure in outcome.failures}
        else:
            failures[recipe.key] = broken
            self.reporter.failed(recipe, broken)


@contextmanager
def on_cluster(
    cluster: Cluster, store: Store, device: str, reporter: Reporter, jobs: int | None
) -> Iterator[ClusterRunner]:
    """A runner on a cluster, for as long as this process is connected to it.

    Raises:
        NotFound: Ray is not installed, or there is no such cluster.
    """
    with connected(cluster), Carrier(store) as carrier:
        reporter.spread(describe(cluster, device))
        yield ClusterRunner(store, device, reporter, jobs, cluster, carrier)


def _gathers(recipe: Recipe) -> bool:
    return recipe.kind == "attack" and len(recipe.inputs) > FEW


def _only(outcome: Outcome) -> Run:
    if outcome.failures:
        raise outcome.failures[0][1]
    return usable(outcome.runs[0])
