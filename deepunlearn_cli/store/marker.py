"""The marker `store.json`: what tells a store from any other folder or store, and how old its layout is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shlex import quote
from typing import NotRequired, TypedDict

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt, UsageFailure
from deepunlearn_cli.core.room import full, is_full
from deepunlearn_cli.core.typed import Text, load
from deepunlearn_cli.system.rights import MARKER, follow, forbidden

SCHEMA = 1
ELSEWHERE = "--store DIR names another place"


def check(root: Path, *, create: bool) -> None:
    """See that `root` is a store; with `create`, make it if it is missing.

    One that this user may only read is a store too: it answers whatever needs no writing.

    Raises:
        NotFound: there is no store, and `create` is false.
        UsageFailure: a file, a folder of something else (left as it is), not readable, or too new.
        StoreCorrupt: the marker cannot be read.
    """
    if not os.path.exists(root / MARKER):  # noqa: PTH110 (Path.exists raises below a folder it may not enter)
        _refuse_foreign(root)
        if not create:
            hint = f"`deepunlearn train --dataset digits` makes one; {ELSEWHERE}"
            raise NotFound(f"there is no store at {root}", hint)
        _make(root)
    _check_schema(root / MARKER)


def _refuse_foreign(root: Path) -> None:
    # A folder with something in it and no marker is not ours; a racing process's temporary marker is.
    try:
        foreign = [path.name for path in root.iterdir() if not path.name.startswith(f".{MARKER}-")]
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise UsageFailure(f"{root} is a file, not a deepunlearn store", ELSEWHERE) from None
    except PermissionError as error:
        raise forbidden(error, root) from None
    if foreign and not (root / MARKER).exists():
        raise UsageFailure(f"{root} is not a deepunlearn store (it holds {min(foreign)})", ELSEWHERE)


def _make(root: Path) -> None:
    temporary = root / f".{MARKER}-{os.urandom(4).hex()}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        _write(root, temporary)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if is_full(error):
            raise full(root, len(MARKER)) from None
        raise UsageFailure(f"cannot make a store at {root}: {error.strerror}", ELSEWHERE) from None


class Marker(TypedDict):
    """What tells a store; those of earlier versions have no id."""

    schema: int
    id: NotRequired[Text]


def _read(marker: Path) -> Marker:
    """Raises OSError or ValueError."""
    found: Marker = load(marker.read_bytes(), Marker)
    return found


def id_of(root: Path) -> str:
    """What tells a store from any other, wherever it is seen from; one of an earlier version gets it now."""
    told = _read(root / MARKER).get("id")
    if not told:
        _write(root, root / f".{MARKER}-{os.urandom(4).hex()}")
        return id_of(root)
    return told


def is_same(root: Path, store_id: str) -> bool:
    """Whether the store of this id is seen at a place."""
    try:
        return _read(root / MARKER).get("id") == store_id
    except (OSError, ValueError):
        return False


def _write(root: Path, temporary: Path) -> None:
    told = {"schema": SCHEMA, "id": os.urandom(16).hex()}
    temporary.write_text(json.dumps(told) + "\n", encoding="utf-8")
    follow(temporary).replace(root / MARKER)


def _check_schema(marker: Path) -> None:
    try:
        schema = _read(marker)["schema"]
    except PermissionError as error:
        raise forbidden(error, marker) from None
    except (OSError, ValueError):
        hint = f"restore it: echo '{json.dumps({'schema': SCHEMA})}' > {quote(str(marker))}"
        raise StoreCorrupt(f"the store's marker {marker} cannot be read", hint) from None
    if schema > SCHEMA:
        hint = "pip install --upgrade deepunlearn"
        raise UsageFailure(f"the store {marker.parent} was made by a newer version (schema {schema})", hint)
