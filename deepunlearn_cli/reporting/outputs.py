"""What models said, read when a figure first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.evaluation import efficacy

if TYPE_CHECKING:
    from deepunlearn_cli.core.shared import Outputs

KEPT = 64  # runs whose reduced outputs stay in memory: the retrained models of a pair, and a few more

Reduced = TypeVar("Reduced")


class Reader:
    """Outputs by run id. Figures are kept; of outputs, only what measures reduce them to, of `KEPT` runs."""

    def __init__(
        self, read: Callable[[str], Outputs], known: Callable[[str], Mapping[str, Any]] = lambda _: {}
    ) -> None:
        """`read` gives a run's outputs, or raises `NotFound` where it keeps none.

        `known` gives what was reduced of them elsewhere, by name (`reductions`).
        """
        self._read, self._known = read, known
        self.reduced = lru_cache(maxsize=KEPT)(self._reduce)
        self.figure = cache(self._figure)

    def _figure(
        self,
        reduce: Callable[[Outputs], Reduced],
        compare: Callable[[Reduced, Reduced], float],
        run_id: str,
        reference_id: str,
    ) -> float:
        """`compare` of two runs' reduced outputs; NaN where one keeps none."""
        run, reference = self.reduced(reduce, run_id), self.reduced(reduce, reference_id)
        return float("nan") if run is None or reference is None else compare(run, reference)

    def _reduce(self, reduce: Callable[[Outputs], Any], run_id: str) -> Any:
        """What a run's outputs reduce to; None where it keeps none."""
        known, name = self._known(run_id), name_of(reduce)
        if name in known:
            return known[name]
        with suppress(NotFound, KeyError):  # no outputs, or not of that part: there is nothing to tell
            return reduce(self._read(run_id))
        return None


def name_of(reduce: Callable[[Outputs], Any]) -> str:
    """What a reduction is called where its result travels: its function, and what that looks at."""
    if isinstance(reduce, partial):
        return " ".join([reduce.func.__name__, *map(str, reduce.keywords.values())])
    return reduce.__name__


def reductions() -> dict[str, Callable[[Outputs], Any]]:
    """By name, those whose result is a number: small enough to travel with the figures of a run."""
    every = [partial(efficacy.mia_efficacy, feature=feature) for feature in efficacy.FEATURES]
    return {name_of(one): one for one in every}
