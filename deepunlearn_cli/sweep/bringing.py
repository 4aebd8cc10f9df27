"""Searches of another store: journals and presets, taken over where this store has none of that name."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from deepunlearn_cli.sweep.storage import journals
from deepunlearn_cli.system.rights import follow, make_folder


@dataclass
class Brought:
    """Names of searches: those that are here now, and those that both stores have, with other contents."""

    taken: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


def bring(ours: Path, theirs: Path) -> Brought:
    """Copy what one folder of studies has beyond another; what is here is never replaced.

    The storage of all studies is left out: the next search collects it anew.
    """
    brought = Brought()
    for journal in journals(theirs):
        here = ours / journal.name
        if here.exists():
            if here.read_bytes() != journal.read_bytes():
                brought.differing.append(journal.stem)
            continue
        brought.taken.append(journal.stem)
        for file in (journal.with_suffix(".toml"), journal):  # the journal last: it says that all is here
            _copy(file, ours)
    return brought


def _copy(file: Path, folder: Path) -> None:
    if not file.exists() or (folder / file.name).exists():
        return
    make_folder(folder)
    part = folder / f".{file.name}.part"
    shutil.copyfile(file, part)
    follow(part).replace(folder / file.name)
