"""Stripping: a run gives up files, or what it keeps of some pictures, and stays with its figures.

It is then as one whose figures alone came here (`arriving.py`): tables have it, and whoever needs what it
gave up has it made again, where that can be done. Each file is replaced at once and the manifest last, so a
killed process leaves a run that `verify` names and that `mend` seals.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deepunlearn_cli.core.shared import Outputs
from deepunlearn_cli.core.typed import load
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.store import manifest
from deepunlearn_cli.store.index import row
from deepunlearn_cli.store.kinds import ELSEWHERE, Elsewhere
from deepunlearn_cli.store.leftovers import erase
from deepunlearn_cli.store.run import OUTPUTS, Run, plain, write_outputs
from deepunlearn_cli.store.store import Store
from deepunlearn_cli.system.rights import follow

NOBODY = -1  # the index of a picture that was purged, in what an attack found


def strip(run: Run, store: Store, files: Collection[str], reduced: Mapping[str, Any]) -> int:
    """Take files from a run for good.

    Args:
        reduced: what measures take of its outputs, for tables to come.

    Returns:
        How many bytes went.
    """
    return _changed(run, store, dict.fromkeys(files), reduced, left=files)


def without(outputs: Outputs, pictures: Collection[int], *, unnamed: bool) -> Outputs:
    """Outputs without some pictures.

    What a model says of a part that held one goes whole: figures of what is left of it would be others. Of
    what an attack found (`unnamed`) the scores stay, and no longer say whose they are.
    """
    gone = np.array(sorted(pictures), dtype=np.int64)
    held = {part for part, arrays in outputs.items() if np.isin(arrays.get("index", gone[:0]), gone).any()}
    if not unnamed:
        return {part: arrays for part, arrays in outputs.items() if part not in held}
    return {part: _unnamed(arrays, gone) if part in held else arrays for part, arrays in outputs.items()}


def replace_outputs(run: Run, store: Store, outputs: Outputs, reduced: Mapping[str, Any]) -> int:
    """Keep these outputs of a run instead of those that it has; how many bytes that spares."""
    draft = _beside(run, store)
    try:
        write_outputs(draft, outputs)
        return _changed(run, store, {OUTPUTS: draft.read_bytes() if outputs else None}, reduced, left=())
    finally:
        erase(draft)


def _unnamed(arrays: Mapping[str, Any], gone: Any) -> Mapping[str, Any]:
    index = np.array(arrays["index"])
    index[np.isin(index, gone)] = NOBODY
    return {**arrays, "index": index}


def _changed(
    run: Run,
    store: Store,
    files: Mapping[str, bytes | None],
    reduced: Mapping[str, Any],
    left: Collection[str],
) -> int:
    """Replace files of a run (None: remove them), then what its manifest says; bytes that were spared."""
    with store.making(run.recipe):
        known = run.elsewhere
        given = {name: None if content is None else _digest(content) for name, content in files.items()}
        beside = {
            "left": sorted({*run.left, *left}),
            "reduced": {**reduced, **known.get("reduced", {})},
            "given": {**known.get("given", {}), **given},
        }
        before = run.size
        _put(run, store, ELSEWHERE, (json.dumps(plain(beside)) + "\n").encode())
        for name, content in files.items():
            if content is None:
                (run.path / name).unlink(missing_ok=True)
            else:
                _put(run, store, name, content)
        _seal(run, store)
        return before - run.size


def mend(store: Store) -> list[str]:
    """Seal runs that a killed process was stripping: ids of those that are whole again.

    A run is sealed only if each file is as it was before or as it was to be: damage stays damage.
    """
    return [key for key in store.ids() if _mended(Run(key, store.place(key)), store)]


def _mended(run: Run, store: Store) -> bool:
    try:
        if not (run.path / ELSEWHERE).exists() or not [*manifest.problems(run.path)]:
            return False
        sealed, given = (
            manifest.sealed_files(run.path),
            load((run.path / ELSEWHERE).read_bytes(), Elsewhere)["given"],
        )
        names = {*sealed, *run.files} - {ELSEWHERE}
        if not all(_fits(run.path / name, sealed.get(name), given.get(name, "")) for name in names):
            return False
    except manifest.UNREADABLE:
        return False
    with store.making(run.recipe):
        _seal(run, store)
    return True


def _fits(path: Path, described: Mapping[str, Any] | None, given: str | None) -> bool:
    if not path.exists():
        return given is None
    content = path.read_bytes()
    return manifest.holds(described, content) or _digest(content) == given


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _seal(run: Run, store: Store) -> None:
    """Have the manifest say what is there now."""
    told = row(run.recipe, run.scores, run.facts)
    flush(run.path)
    _put(run, store, manifest.MANIFEST, manifest.text(run.path, told))
    flush(run.path)
    store.index.refresh(run.id[:2])


def _put(run: Run, store: Store, name: str, content: bytes) -> None:
    draft = _beside(run, store)
    try:
        draft.write_bytes(content)
        flush(draft)
        follow(draft.replace(run.path / name))
    finally:
        draft.unlink(missing_ok=True)


def _beside(run: Run, store: Store) -> Path:
    """A name that `Store.leftovers` knows."""
    return store.runs / run.id[:2] / f".{run.id}-{os.getpid()}-{os.urandom(4).hex()}"
