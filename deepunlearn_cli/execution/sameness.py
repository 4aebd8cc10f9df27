"""Whether a run made again is the same: every bit, up to rounding, or not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.evaluation import agreement
from deepunlearn_cli.execution.contents import (
    SCORES,
    STATUS,
    Gone,
    arrays_of,
    figures_of,
    parts_of,
    pictures_of,
)

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run

Figures = Mapping[str, Any]
EQUAL, ROUNDING, DIFFERENT = "equal", "rounding", "different"
STATES = (EQUAL, ROUNDING, DIFFERENT)  # from best to worst
DRAWS = 3  # times a run is made with its weights and pictures moved by rounding
UNITS = 16  # of rounding that a sum of some hundred terms is off by, the square root of their number
FACTOR = 3.0  # times the most that did to a run (measured: the guide, reproducibility)
PICTURES = 2.0  # so many may be read otherwise: accuracies move in steps of one
RELATIVE = 1e-6  # of a figure: sums in another order
MANY = 1000  # pictures, where nobody knows how many
COARSE = 0.1  # share of what is compared: a bound beyond tells little


@dataclass(frozen=True)
class Part:
    """One kind of what a run leaves behind, held against the same of the run made again.

    Attributes:
        name: `status`, `weights`, `track`, `outputs` or `scores`.
        state: one of `STATES`.
        largest: largest absolute difference, at `where`; infinite where names or shapes differ.
        bound: up to which a difference there is rounding; None where no other device, torch or number of
            threads could excuse one.
        coarse: whether the bound is so large that it tells little.
    """

    name: str
    state: str
    largest: float = 0.0
    where: str = ""
    bound: float | None = None
    coarse: bool = False

    @property
    def said(self) -> str:
        """What a person must know of it; nothing of what is equal."""
        if self.state == EQUAL:
            return ""
        if math.isinf(self.largest):
            return f"{self.name}: {self.where} is another kind of thing"
        said = f"{self.name} differ by {self.largest:.2g} at most, at {self.where}"
        if self.bound is None:
            return said
        said += (
            f"; rounding is up to {self.bound:.2g}: {FACTOR:g} times what it did to this run in {DRAWS} tries"
        )
        return said + (", and so much that this tells little" if self.coarse else "")


def compared(run: Run, again: Run | None, gone: Gone | None = None) -> list[Part]:
    """What a run keeps against the same of the run made again, bit for bit; None: it was not made.

    Args:
        gone: what cannot be compared, for its pictures were purged since.
    """
    if again is None or run.status != again.status:
        return [
            Part(STATUS, DIFFERENT, math.inf, f"{run.status}, now {again.status if again else 'not made'}")
        ]
    return [_part(name, run, again, gone) for name in parts_of(run)]


def bounded(
    run: Run, again: Run | None, moved: Sequence[Run | None], home: Path, gone: Gone | None = None
) -> list[Part]:
    """The same, where another device, torch or number of threads allows for rounding.

    Args:
        moved: the run made again, its weights and pictures moved by rounding, several times.
        home: folder of the decoded datasets and forget sets.
        gone: as `compared` takes it.
    """
    parts = compared(run, again, gone)
    same = [one for one in moved if one and again and one.status == again.status]
    if again is None or not same or run.status != again.status:
        return parts
    return [part if part.state == EQUAL else _bounded(part, run, again, same, home, gone) for part in parts]


def _part(name: str, run: Run, again: Run, gone: Gone | None) -> Part:
    if name == STATUS:
        return Part(name, EQUAL)
    if name == SCORES:
        apart = agreement.of_figures(figures_of(run, gone), figures_of(again, gone))
    else:
        apart = agreement.of_arrays(arrays_of(run, name, gone), arrays_of(again, name, gone))
    return Part(name, EQUAL if apart.equal else DIFFERENT, apart.largest, apart.where)


def _bounded(part: Part, run: Run, again: Run, moved: Sequence[Run], home: Path, gone: Gone | None) -> Part:
    if part.name == SCORES:
        sides = figures_of(run, gone), figures_of(again, gone)
        return _of_scores(part, sides, [one.scores for one in moved], 1 / _fewest(run, home))
    ours = arrays_of(again, part.name)
    steps = [agreement.of_arrays(ours, arrays_of(one, part.name)).largest for one in moved]
    bound = FACTOR * max(steps)
    largest = max((float(abs(one).max()) for one in ours.values() if one.dtype.kind == "f"), default=0.0)
    state = ROUNDING if part.largest <= bound and math.isfinite(part.largest) else DIFFERENT
    return replace(part, state=state, bound=bound, coarse=bound > COARSE * largest)


def _of_scores(part: Part, sides: tuple[Figures, Figures], moved: Sequence[Figures], one: float) -> Part:
    """Each figure by its own bound; the one that is told of lies farthest beyond it, or nearest below."""
    run, again = sides
    found = agreement.distances(run, again)
    steps = [agreement.distances(again, each) for each in moved]
    most = {name: FACTOR * max(step.get(name, 0.0) for step in steps) for name in found}
    figures = agreement.flat(again)
    bounds = {name: _bound(figures.get(name), most[name], one) for name in found}
    name = max(found, key=lambda each: found[each] / (bounds[each] or math.ulp(1.0)))
    state = ROUNDING if found[name] <= bounds[name] and math.isfinite(found[name]) else DIFFERENT
    return replace(part, state=state, largest=found[name], where=name, bound=bounds[name])


def _bound(figure: Any, moved: float, one_picture: float) -> float:
    number = float(figure) if isinstance(figure, int | float) else 0.0
    share = isinstance(figure, float) and 0 <= figure <= 1
    return max(moved, RELATIVE * abs(number), PICTURES * one_picture if share else 0.0)


def _fewest(run: Run, home: Path) -> int:
    """Pictures of the smallest part that a run's accuracies are of."""
    from deepunlearn_cli.data import load_forget

    if count := pictures_of(run):
        return count
    return len(load_forget(run.recipe.forget, home)) if run.recipe.forget else MANY
