"""Replay: a run made again in a scratch store, and held against what the store has of it.

The same recipe gives the same bits on one device, with one torch and one number of threads. Where one of
these is another, sums are taken in another order and last bits differ; how far that carries a run is found by
making it some times more, its weights and pictures moved by rounding: what differs by no more than
`FACTOR` times the most that this did is rounding. Where all is the same, any other bit is another run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import __version__
from deepunlearn_cli.core.errors import RunFailed, StoreCorrupt
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import blank, code
from deepunlearn_cli.execution.contents import ACCURACIES, Gone
from deepunlearn_cli.execution.remaking import CHECKPOINT, CPU, Remaking
from deepunlearn_cli.execution.runner import Reporter, Runner
from deepunlearn_cli.execution.sameness import DIFFERENT, DRAWS, EQUAL, STATES, UNITS, Part, bounded, compared
from deepunlearn_cli.execution.scratch import Again, Scratch, check_room, scratch
from deepunlearn_cli.store import Store, manifest

if TYPE_CHECKING:
    from deepunlearn_cli.execution.materials import Materials
    from deepunlearn_cli.store import Run

UNKNOWN = "not on record"
Surroundings = Mapping[str, tuple[Any, Any]]
SAME = (
    "device, threads and torch are those that it was made with, where the same recipe gives the same bits: "
    "this is not what it makes"
)


@dataclass(frozen=True)
class Replayed:
    """A run of a store, held against itself made again.

    Attributes:
        run: as the store has it.
        state: `equal` (every bit), `rounding` or `different`: the worst of its `parts`.
        apart: what differs between then and now, (then, now) by name: `device`, `threads`, `torch`, ...
        notes: what a person must know of the answer.
        inputs: the runs it was made from, likewise, where these were made again too.
        made: how many runs were made for all this: inputs, and those that the bound is from, too.
        seconds: wall time of all this.
    """

    run: Run
    state: str
    parts: Sequence[Part]
    apart: Surroundings
    notes: Sequence[str] = ()
    inputs: Sequence[Replayed] = ()
    made: int = 0
    seconds: float = 0.0

    @property
    def every(self) -> list[Replayed]:
        """All that was held against itself, each once: inputs first, the run itself last."""
        found = {one.run.id: one for each in self.inputs for one in each.every}
        return [*found.values(), self]

    @property
    def worst(self) -> str:
        """The worst state of the run and of all that it was made from."""
        return max((one.state for one in self.every), key=STATES.index)


def replay(what: Remaking, reporter: Reporter | None = None) -> Replayed:
    """Make a run again and say whether it is what the store has.

    A model or method that is code of the user's must have been agreed to (`checkpoints.consent`), and loaded.

    Raises:
        UsageFailure, NotFound: as `Remaking.check`.
        StoreCorrupt: a run, its pictures or its forget set are not what was sealed.
        DiskFull: the scratch store has no room.
    """
    what.check()
    told, start = reporter or Reporter(), time.perf_counter()
    kept = what.kept
    _check_sealed(kept.values())
    with scratch(what.store, what.place) as folder:
        again = _runner(what, folder / "again", told)
        _tell_size(what, again, folder, told)
        made = _made(what, again)
        apart = _all_apart(what, kept, made)
        gone = {one.key: _since(one, again.materials) for one in what.recipes}
        parts = {key: compared(run, made.get(key), gone[key]) for key, run in kept.items()}
        wanted = [key for key, found in parts.items() if apart[key] and any(p.state != EQUAL for p in found)]
        if wanted:
            moved = _moved(what, folder, told, UNITS * _unit(what, made))
            tries = {key: [one.get(key) for one in moved] for key in wanted}
            parts |= {
                key: bounded(kept[key], made.get(key), tries[key], what.store.data, gone[key])
                for key in wanted
            }
    result = _tree(what.run.recipe, kept, parts, apart, gone, what)
    count = len(what.recipes) * (1 + DRAWS if wanted else 1)
    return replace(result, made=count, seconds=time.perf_counter() - start)


def _check_sealed(runs: Iterable[Run]) -> None:
    for run in runs:
        for problem in manifest.problems(run.path):
            if not problem.unread:
                raise StoreCorrupt(f"run {problem}", f"deepunlearn verify {run.id}")


@contextmanager
def planned(what: Remaking) -> Iterator[Runner]:
    """A runner before which all of it is still to be made, for who wants to know what that takes."""
    with scratch(what.store, what.place) as folder:
        yield _runner(what, folder / "again", Reporter())


def _runner(what: Remaking, root: Path, told: Reporter, nudge: float = 0.0, draw: int = 0) -> Again:
    Store.open(root, create=True)
    keys = frozenset(one.key for one in what.recipes)
    store = Scratch(root, before=what.store, again=keys, nudge=nudge, draw=draw)
    return Again(store, what.where, told, what.widths)


def _tell_size(what: Remaking, runner: Again, folder: Path, told: Reporter) -> None:
    count, needed = len(what.recipes), (1 + DRAWS) * sum(map(runner.size, what.recipes))
    check_room(folder, needed)
    told.planned(count)
    runs = f"{count} run{'s' * (count > 1)}"
    told.told(f"{runs} to make again, {needed / 1e6:,.1f} MB at most, for a while in {folder.parent}")


def _made(what: Remaking, runner: Again) -> dict[str, Run]:
    """What every run gave this time, those that failed too; none of what a failed one is an input of."""
    for recipe in what.recipes:
        with suppress(RunFailed):
            runner.ensure(recipe)
    return {one.key: run for one in what.recipes if (run := runner.store.get(one.key))}


def _moved(what: Remaking, folder: Path, told: Reporter, share: float) -> list[dict[str, Run]]:
    """The same runs several times, moved by rounding."""
    told.told(f"bits differ, and so does what computed them: made {DRAWS} times more, moved by rounding")
    told.planned(DRAWS * len(what.recipes))
    return [
        _made(what, _runner(what, folder / f"moved{draw}", told, share, draw + 1)) for draw in range(DRAWS)
    ]


def _unit(what: Remaking, made: Mapping[str, Run]) -> float:
    """The unit of rounding: of the coarser of what computed it then and now."""
    from deepunlearn_cli.engine.rounding import unit

    devices = [str(run.facts.get("device", "")) for run in made.values()]
    devices += [str(what.facts(key).get("device", "")) for key in made]
    on_cuda = any(name and not CPU.search(name) for name in devices)
    return max(unit(one.precision, on_cuda=on_cuda) for one in what.recipes)


def _all_apart(what: Remaking, kept: Mapping[str, Run], made: Mapping[str, Run]) -> dict[str, Surroundings]:
    """By run, in what its own making and those of its inputs differ from then."""
    found: dict[str, Surroundings] = {}
    for recipe in what.recipes:  # inputs first
        of_inputs: dict[str, tuple[Any, Any]] = {}
        for needed in recipe.inputs.values():
            of_inputs |= dict(found.get(needed.key, {}))
        then, now = kept.get(recipe.key), made.get(recipe.key)
        found[recipe.key] = of_inputs | (dict(_apart(then.facts, now.facts)) if then and now else {})
    return found


def _apart(then: Mapping[str, Any], now: Mapping[str, Any]) -> Surroundings:
    if "device" not in now:  # an attack on outputs notes none
        pairs: dict[str, tuple[Any, Any]] = {"libraries": (UNKNOWN, _libraries())}
    else:
        names = [CPU.sub("", str(facts.get("device"))) for facts in (then, now)]
        pairs = {"device": (names[0], names[1])}
        on_cpu = all(CPU.search(str(facts.get("device"))) for facts in (then, now))
        pairs |= {"threads": (then.get("threads"), now.get("threads"))} if on_cpu else {}
        pairs |= {"torch": (then.get("torch"), now.get("torch"))}
    pairs |= {"deepunlearn": (then.get("version"), __version__)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _libraries() -> str:
    from importlib.metadata import version

    return ", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn"))


def _tree(
    recipe: Recipe,
    kept: Mapping[str, Run],
    parts: Mapping[str, Sequence[Part]],
    apart: Mapping[str, Surroundings],
    gone: Mapping[str, Gone | None],
    what: Remaking,
) -> Replayed:
    run, found = kept[recipe.key], parts[recipe.key]
    inputs = [_tree(one, kept, parts, apart, gone, what) for one in recipe.inputs.values() if one.key in kept]
    state = max((part.state for part in found), key=STATES.index)
    notes = [*_notes(recipe, run, found, apart[recipe.key], what), *_purged(gone[recipe.key])]
    told = {name: pair for name, pair in apart[recipe.key].items() if state != EQUAL or pair[0] != UNKNOWN}
    return Replayed(run, state, found, told, notes, inputs)


def _notes(recipe: Recipe, run: Run, parts: Sequence[Part], apart: Surroundings, what: Remaking) -> list[str]:
    elsewhere = [one for one in recipe.inputs.values() if one.kind == CHECKPOINT]
    notes = [f"{one.key} came from elsewhere and was taken as it is" for one in elsewhere]
    gone = [one.key for one in recipe.inputs.values() if what.store.get(one.key) is None]
    notes += [f"input {key} is not in the store: made again, with nothing to compare" for key in gone]
    if not run.whole:
        notes.append("its figures alone came to this store: nothing else of it was compared")
    if run.facts.get("version") == __version__ and run.facts.get(code.FACT) not in (None, code.of(recipe)):
        notes.append(f"it was made by other code of {recipe.name}, at the same revision")
    if any(part.state == DIFFERENT for part in parts) and not apart:
        notes.append(SAME)
    notes += [note for part in parts if (note := part.said)]
    return notes


def _since(recipe: Recipe, materials: Materials) -> Gone | None:
    """What a run may have said of pictures that are purged by now; None where that is nothing."""
    import numpy as np

    if recipe.kind not in blank.KEPT or not len(purged := materials.dataset(recipe).purged):
        return None
    counts = {name: int(np.isin(index, purged).sum()) for name, index in materials.indices(recipe).items()}
    touched = {name: count for name, count in counts.items() if count}
    figures = {ACCURACIES[name] for name in touched}
    return Gone(purged, sum(touched.values()), figures) if touched else None


def _purged(gone: Gone | None) -> list[str]:
    if gone is None:
        return []
    figures = f" ({', '.join(sorted(gone.figures))})" if gone.figures else ""
    return [f"{gone.count} pictures were purged since: what it said of them{figures} was not compared"]


def explained(apart: Surroundings) -> str:
    """What differs between then and now, in words."""
    return ", ".join(f"{name} ({then}, now {now})" for name, (then, now) in apart.items())
