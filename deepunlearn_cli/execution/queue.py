"""What is still to be made, in the order in which it should be: inputs first, whole seeds before others."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush

from deepunlearn_cli.core.recipe import Recipe

ORDER = (  # attacks first: what is attacked is done with, should all be stopped; then what others wait for
    "attack",
    "checkpoint",
    "train",
    "unlearn",
    "shadow",
    "lockstep",
    "trial",
)
Turn = tuple[int, int, int]


class Queue:
    """Recipes of which each is had once its inputs are settled; a step costs the same however long it is.

    Of those that may be made comes first the longest kind of the first seed: whoever is cut off so has whole
    seeds. The next seed's originals come beside this one's runs, so that nobody has to wait for them.

    Args:
        recipes: what is to be made; their inputs are among them, or are settled before the first is had.
    """

    def __init__(self, recipes: Iterable[Recipe]) -> None:
        self._open = {recipe.key: recipe for recipe in recipes}
        asked = dict.fromkeys(recipe.root.seed for recipe in self._open.values())
        seeds = {seed: place for place, seed in enumerate(asked)}
        self._turns = {
            key: _turn(recipe, seeds, number) for number, (key, recipe) in enumerate(self._open.items())
        }
        self._waiting: dict[str, int] = {}  # by key, how many of its inputs are not settled
        self._makers: dict[str, list[str]] = {}  # by key of an input, what is made of it
        self._ready: list[tuple[Turn, str]] = []
        for key, recipe in self._open.items():
            missing = {one.key for one in recipe.inputs.values()}
            self._waiting[key] = len(missing)
            for one in missing:
                self._makers.setdefault(one, []).append(key)
            if not missing:
                heappush(self._ready, (self._turns[key], key))

    def __len__(self) -> int:
        return len(self._open)

    def __bool__(self) -> bool:
        return bool(self._open)

    def pop(self) -> Recipe | None:
        """The next that may be made; None if all that are left wait for others."""
        return self._open.pop(heappop(self._ready)[1]) if self._ready else None

    def put_back(self, recipe: Recipe) -> None:
        """Have a recipe again that was popped and not made."""
        self._open[recipe.key] = recipe
        heappush(self._ready, (self._turns[recipe.key], recipe.key))

    def settle(self, key: str) -> None:
        """A run is there: what waits for nothing else may be made."""
        for one in self._makers.pop(key, ()):
            self._waiting[one] -= 1
            if self._waiting[one] == 0 and one in self._open:
                heappush(self._ready, (self._turns[one], one))

    def fail(self, key: str) -> list[Recipe]:
        """A run failed: take out what would be made of it, and give that."""
        return [self._open.pop(one) for one in self._makers.pop(key, ()) if one in self._open]


def _turn(recipe: Recipe, seeds: dict[int, int], number: int) -> Turn:
    ahead = int(recipe.kind in ("checkpoint", "train"))
    return seeds[recipe.root.seed] - ahead, ORDER.index(recipe.kind), number
