"""Two stores: in which runs they differ, and how one takes up what the other has."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.store import manifest
from deepunlearn_cli.store.kinds import FACTS
from deepunlearn_cli.store.manifest import Problem
from deepunlearn_cli.store.run import LOG, RECIPE, Run, inputs_of
from deepunlearn_cli.store.stated import Stated
from deepunlearn_cli.store.store import Store, give_up

TOLD = (RECIPE, FACTS, LOG)  # names, when, where, how fast: two makings of one answer differ in it
HERE, THERE, SAME, DIFFERENT, BROKEN = "here", "there", "same", "different", "broken"


@dataclass(frozen=True)
class Standing:
    """How a run of one store stands to the other.

    Attributes:
        state: `here` or `there` (only), `same`, `different` (one recipe, two answers: another device, torch
            or number of threads) or `broken` (a manifest that cannot be read).
        files: by which they differ, or whose manifest is broken.
    """

    id: str
    state: str
    files: tuple[str, ...] = ()


@dataclass
class Merged:
    """What became of the runs that were to be taken up.

    Attributes:
        taken: ids of those that are here now.
        busy: of those that somebody is making here at this moment.
        problems: why others were not taken.
    """

    taken: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def standings(ours: Store, theirs: Store) -> list[Standing]:
    """Every run of either store, by id, compared by what the manifests say; no other file is read."""
    here, there = set(ours.ids()), set(theirs.ids())
    only = [Standing(key, HERE) for key in here - there] + [Standing(key, THERE) for key in there - here]
    both = [_compared(ours, theirs, key) for key in here & there]
    return sorted([*only, *both], key=lambda one: one.id)


def with_inputs(store: Store, ids: Iterable[str]) -> list[str]:
    """These runs and all that they were made from, as far as the store has it; inputs come first.

    A run whose recipe cannot be read counts as one without inputs: taking it up tells what is wrong.
    """
    ordered: dict[str, None] = {}
    open_ = [(key, False) for key in reversed(list(ids))]
    while open_:
        key, seen = open_.pop()
        if seen:
            ordered[key] = None
        elif key not in ordered and store.has(key):
            open_ += [(key, True), *((one, False) for one in inputs_of(Run(key, store.place(key))))]
    return list(ordered)


def take(ours: Store, theirs: Store, ids: Sequence[str], progress: Progress) -> Merged:
    """Copy runs, each checked against its manifest byte for byte and then put in its place by one rename.

    `ids` have inputs before what was made from them, so what a killed merge leaves is a sound store; a run
    whose input could not be taken is not taken either.
    """
    merged, asked = Merged(), theirs.asked.all()
    for done, key in enumerate(ids, start=1):
        try:
            _take(ours, theirs, key, asked, merged)
        except BlockingIOError:
            merged.busy.append(key)
        progress(done, len(ids), "merging")
    Stated(ours.root).bring(Stated(theirs.root))
    return merged


def _take(ours: Store, theirs: Store, key: str, asked: Collection[str], merged: Merged) -> None:
    run = Run(key, theirs.place(key))
    lost = next((one for one in inputs_of(run) if theirs.has(one) and not ours.has(one)), None)
    problems = (
        [Problem(key, "", f"its input {lost} was not taken")]
        if lost
        else ours.adopt(key, partial(shutil.copytree, run.path), give_up)
    )
    if problems:
        merged.problems += problems
        return
    for purpose in theirs.purposes.of(key):
        ours.purposes.add(key, purpose)
    if key in asked:
        ours.asked.add([run])
    merged.taken.append(key)


def _compared(ours: Store, theirs: Store, key: str) -> Standing:
    sides: list[Mapping[str, Mapping[str, str]]] = []
    for store in (ours, theirs):
        try:
            sides.append(dict(manifest.read(store.place(key))["files"]))
        except manifest.UNREADABLE:
            return Standing(key, BROKEN, (str(store.root),))
    names = sorted({*sides[0], *sides[1]} - {*TOLD})
    differ = tuple(name for name in names if sides[0].get(name) != sides[1].get(name))
    return Standing(key, DIFFERENT if differ else SAME, differ)
