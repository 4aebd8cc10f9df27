"""The manifest of a run: what its folder must hold, byte for byte, and the run's row in the index."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.recipe import Recipe, canonical
from deepunlearn_cli.core.rows import IndexRow
from deepunlearn_cli.core.typed import Digest, Mistyped, Seed, check, load
from deepunlearn_cli.core.whole import flush
from deepunlearn_cli.store.kinds import KINDS
from deepunlearn_cli.system.rights import follow

MANIFEST = "manifest.json"
SCHEMA = 1
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)  # what torn or foreign JSON leads to


class Described(TypedDict):
    """A file of a run."""

    sha256: Digest
    size: Seed


@dataclass(frozen=True)
class Problem:
    """One difference between the store and its manifests; `file` is empty if it concerns the whole folder."""

    id: str
    file: str
    what: str
    unread: bool = False  # not known to differ: this user may not read it

    def __str__(self) -> str:
        return " ".join(part for part in (self.id, self.file, self.what) if part)


def write(folder: Path, row: IndexRow) -> None:
    """Seal a folder: flush every file to disk, then write the manifest, the last file of a run."""
    (folder / MANIFEST).write_bytes(text(folder, row))
    flush(follow(folder / MANIFEST))
    flush(folder)


def text(folder: Path, row: IndexRow) -> bytes:
    """The manifest of a folder as it is; every file is flushed to disk."""
    files = {name: _describe(folder / name) for name in file_names(folder)}
    sealed = {"schema": SCHEMA, "files": files, "row": row}
    whole = json.dumps(sealed | {"seal": _seal(sealed)}, ensure_ascii=False)
    return whole.encode("utf-8", "backslashreplace")  # as JSON escapes it


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a run. Raises one of `UNREADABLE` if there is none or it is torn."""
    with open(folder / MANIFEST, "rb") as file:  # noqa: PTH123 (100,000 of them: Path.open is slower)
        manifest: dict[str, Any] = json.loads(file.read())
    return manifest


def sealed_files(folder: Path) -> dict[str, Any]:
    """What a manifest says of every file, by name. Raises one of `UNREADABLE` if it is not sound."""
    manifest = read(folder)
    if manifest.pop("seal") != _seal(manifest):
        raise ValueError(folder)
    return _files(manifest)


def _files(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says of every file. Raises one of `UNREADABLE` if that is something else."""
    check(manifest["files"], Mapping[str, Described], "files")
    return dict(manifest["files"])


def holds(described: Mapping[str, Any] | None, content: bytes) -> bool:
    """Whether a file's content is what its manifest described."""
    return described is not None and hashlib.sha256(content).hexdigest() == described.get("sha256")


def row_of(folder: Path) -> IndexRow:
    """The index row of a run. Raises one of `UNREADABLE` for a manifest that is not this folder's."""
    manifest = read(folder)
    row: IndexRow = manifest["row"]
    check(row, IndexRow, "row")
    if manifest.pop("seal") != _seal(manifest) or row["id"] != folder.name:
        raise ValueError(folder)
    return row


def file_names(folder: Path) -> list[str]:
    """Every file of a run but the manifest, in alphabetical order."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.name != MANIFEST)


def flush_files(folder: Path) -> None:
    """Have the disk keep a run's folder and all that is in it."""
    for path in (*folder.iterdir(), folder):
        flush(path)


def problems(folder: Path) -> Iterator[Problem]:
    """Everything in which a run's folder differs from its manifest, and a recipe with another key."""
    try:
        manifest = read(folder)
        seal, files = manifest.pop("seal"), _files(manifest)
        intact = seal == _seal(manifest)
    except PermissionError:
        yield not_readable(folder.name, MANIFEST)
        return
    except UNREADABLE:
        yield Problem(folder.name, MANIFEST, "is missing or cannot be read")
        return
    if not intact:
        yield Problem(folder.name, MANIFEST, "was edited")
    elif wrong := _row_problem(folder):
        yield Problem(folder.name, MANIFEST, wrong)
    yield from _file_problems(folder, files)
    yield from _kind_problems(folder)
    yield from _key_problems(folder)


def _row_problem(folder: Path) -> str:
    try:
        row_of(folder)
    except UNREADABLE as error:
        return f"does not describe this run: {error}"
    return ""


def _describe(path: Path) -> dict[str, Any]:
    flush(path)
    return {"sha256": sha256_of(path), "size": path.stat().st_size}


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, as `sha256sum` gives it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(sealed: Mapping[str, Any]) -> str:
    return hashlib.sha256(encoded(canonical(sealed))).hexdigest()


def _file_problems(folder: Path, expected: Mapping[str, Any]) -> Iterator[Problem]:
    present = file_names(folder)
    for name in sorted({*present, *expected}):
        if name not in present:
            yield Problem(folder.name, name, "is missing")
        elif name not in expected:
            yield Problem(folder.name, name, "is not in the manifest")
        if name not in present or name not in expected:
            continue
        try:
            what = _difference(folder / name, expected[name])
        except PermissionError:
            yield not_readable(folder.name, name)
            continue
        if what:
            yield Problem(folder.name, name, what)


def not_readable(run_id: str, file: str) -> Problem:
    """What may be as it was, for all that this user can say."""
    return Problem(run_id, file, "is not readable by you: it was not checked", unread=True)


def _difference(path: Path, expected: Mapping[str, Any]) -> str:
    try:
        if (size := path.stat().st_size) != expected["size"]:
            return f"has {size} bytes instead of {expected['size']}"
        return "" if sha256_of(path) == expected["sha256"] else "differs from its SHA-256"
    except PermissionError:
        raise
    except UNREADABLE as error:
        return f"cannot be checked: {error}"


def _kind_problems(folder: Path) -> Iterator[Problem]:
    """What is as it was sealed, and still not what such files hold."""
    for name, kind in KINDS.items():
        try:
            load((folder / name).read_bytes(), kind)
        except OSError:
            continue  # reported already, or there is none
        except Mistyped as error:
            yield Problem(folder.name, name, f"is not what such a file holds: {error}")


def _key_problems(folder: Path) -> Iterator[Problem]:
    try:
        key = Recipe.from_json(json.loads((folder / "recipe.json").read_bytes())).key
    except (FileNotFoundError, PermissionError):
        return  # reported already
    except UNREADABLE:
        yield Problem(folder.name, "recipe.json", "is not a recipe")
        return
    if key != folder.name:
        yield Problem(folder.name, "recipe.json", f"has the key {key}, not its folder's")
