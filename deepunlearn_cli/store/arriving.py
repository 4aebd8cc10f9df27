"""Arriving: runs whose figures came in a file (`figures.py`), put into a store without what they left.

Such a run answers whoever asks for its figures. Whoever needs its weights or outputs has it made again: it
gives way to the run that keeps them (`execution/runner.py`).
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.store import manifest
from deepunlearn_cli.store.figures import Figures, Told
from deepunlearn_cli.store.index import row
from deepunlearn_cli.store.kinds import ELSEWHERE
from deepunlearn_cli.store.ledger import unmarked
from deepunlearn_cli.store.run import Run, write_files
from deepunlearn_cli.store.store import Store


def arrive(figures: Figures, store: Store) -> None:
    """Put every run there that the store has not, and keep what somebody asked for."""
    for key, told in figures.runs.items():
        if not store.has(key):
            _put(told, figures.outputs(told), store)
    store.asked.add(Run(key, store.place(key)) for key in figures.asked if store.has(key))


def disagreeing(figures: Figures, store: Store) -> list[str]:
    """Ids of runs that the store has with other scores than the file says."""
    both = ((key, store.get(key)) for key in figures.runs)
    return [key for key, run in both if run and run.scores != figures.runs[key].scores]


def make_way(key: str, store: Store) -> None:
    """Take away a run without all its files, for who has made it again and holds its lock."""
    run, aside = Run(key, store.place(key)), _hidden(key, store)
    with suppress(FileNotFoundError):
        if not run.whole:
            run.path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)


def _put(told: Told, outputs: Outputs, store: Store) -> None:
    """Sealed as any run, with what came of its outputs; the index finds it by itself."""
    staging, facts = _hidden(told.recipe.key, store), unmarked(told.facts)
    try:
        staging.mkdir(parents=True)
        write_files(
            staging,
            recipe=told.recipe,
            weights=None,
            track=None,
            outputs=outputs or None,
            scores=told.scores,
            facts=facts,
            log=(),
        )
        if told.left:
            beside = {"left": list(told.left), "reduced": dict(told.reduced)}
            (staging / ELSEWHERE).write_text(json.dumps(beside) + "\n", "utf-8")
        manifest.write(staging, row(told.recipe, told.scores, facts))
        with suppress(OSError):  # somebody has just made it
            staging.rename(store.place(told.recipe.key))
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _hidden(key: str, store: Store) -> Path:
    """A name that `Store.leftovers` knows."""
    return store.runs / key[:2] / f".{key}-{os.getpid()}-{os.urandom(4).hex()}"
