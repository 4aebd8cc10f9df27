"""What originals were trained for: `ROOT/purposes/<run>/<SHA-256 of a forget set>.json`.

An original is the same whatever shall be forgotten from it later, so this is no part of its recipe. One file
for each forget set that a training named: writers do not disturb each other.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from deepunlearn_cli.core.typed import load
from deepunlearn_cli.store.manifest import Problem, not_readable
from deepunlearn_cli.system.rights import follow, make_folder


class Kept(TypedDict):
    """A purpose as its file holds it."""

    spec: str
    named: bool


@dataclass(frozen=True)
class Purpose:
    """A forget set that an original was trained for.

    Attributes:
        sha256: of the forget set.
        spec: its name for people.
        named: whether somebody asked for it, or a default filled it in.
    """

    sha256: str
    spec: str
    named: bool


class Purposes:
    """The purposes of all runs of a store; `root` may not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, key: str) -> list[Purpose]:
        """What a run was trained for, by SHA-256; defaults count only where nobody named anything."""
        found = sorted(self._read(key), key=lambda one: one.sha256)
        return [one for one in found if one.named] or found

    def add(self, key: str, purpose: Purpose) -> None:
        """Keep a purpose of a run; the same again changes nothing, nor does a default what was named."""
        if any(one.sha256 == purpose.sha256 and one.named >= purpose.named for one in self._read(key)):
            return
        path = self.root / key / f"{purpose.sha256}.json"
        make_folder(path.parent)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.write_text(json.dumps({"spec": purpose.spec, "named": purpose.named}), "utf-8")
        follow(part).replace(path)

    def drop(self, key: str) -> None:
        """Forget what a run was trained for."""
        shutil.rmtree(self.root / key, ignore_errors=True)

    def problems(self) -> Iterator[Problem]:
        """Purposes that are not what was written: the forget set is not found by its run any more."""
        for path in sorted(self.root.glob("*/[0-9a-f]*.json")):
            try:
                load(path.read_text("utf-8"), Kept)
            except PermissionError:
                yield not_readable(self.root.name, f"{path.parent.name}/{path.name}")
            except ValueError:
                yield Problem(self.root.name, f"{path.parent.name}/{path.name}", "is not what was written")

    def _read(self, key: str) -> Iterator[Purpose]:
        for path in (self.root / key).glob("[0-9a-f]*.json"):
            with suppress(OSError, ValueError):
                kept: Kept = load(path.read_text("utf-8"), Kept)
                yield Purpose(path.stem, kept["spec"], kept["named"])
