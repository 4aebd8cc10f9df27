"""What is wrong with a run of a store, every byte of it read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.store import manifest
from deepunlearn_cli.store.manifest import Problem
from deepunlearn_cli.store.run import Run, inputs_of


def verified(
    keys: Sequence[str], place: Callable[[str], Path], progress: Progress | None = None
) -> list[Problem]:
    """What is wrong with runs; `place` has the folder of an id."""
    problems: list[Problem] = []
    for done, key in enumerate(keys, start=1):
        problems += problems_of(key, place)
        if progress:
            progress(done, len(keys), "verifying")
    return problems


def problems_of(key: str, place: Callable[[str], Path]) -> Iterator[Problem]:
    """In what a run differs from its manifest, and which inputs are gone; `place` has the folder of an id.

    What this user may not read is listed as `unread`.
    """
    folder = place(key)
    try:
        if not folder.is_dir():
            yield Problem(key, "", "is not in the store")
            return
        yield from manifest.problems(folder)
        for one in inputs_of(Run(key, folder)):
            if not place(one).exists():
                yield Problem(key, "", f"was made from {one}, which is not in the store")
    except PermissionError:
        yield manifest.not_readable(key, "")
