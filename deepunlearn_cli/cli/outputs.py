"""Files that a command is to write: nothing that is there is destroyed unasked; seen before any work."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from shlex import quote

import typer

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.room import is_full
from deepunlearn_cli.system.rights import check_writable, forbidden

OUTPUTS = ("out", "samples", "figure", "html")  # options that name a file to write
WRITTEN = (*OUTPUTS, "export")  # and one that is written on
STORE = "store.json"  # what tells a store's folder
OWN = (
    "runs",
    "sealed",
    "ledger.jsonl",
    "ledger.head",
    "studies",
    "data",
    "asked",
    "purposes",
    "stated",
    "certificates",
    "index.sqlite",
    STORE,
)  # in it: the store's alone
OTHER = "choose another file"
OVER = "--force writes over it"


def check(option: str, path: Path, others: Iterable[object] = ()) -> Path | None:
    """Refuse a file that cannot or must not be written; returns it where it is there already.

    Args:
        others: whatever else the command was given: a file among it is an input.

    Raises:
        UsageFailure: a folder, a name that is too long, a folder that is missing or read-only, a store's own
            file, or an input of this very command.
    """
    spelt = f"--{option} {path}"
    place, found = _looked_at(path, spelt)
    if found and stat.S_ISDIR(found.st_mode):
        raise UsageFailure(f"{spelt} is a folder", "name a file in it")
    if found and not stat.S_ISREG(found.st_mode):
        return None
    if not place.parent.is_dir():
        raise UsageFailure(f"{spelt}: its folder does not exist", "make it first")
    check_writable(place.parent)
    if not _takes_files(place.parent):
        raise UsageFailure(f"{spelt}: its folder cannot be written", OTHER)
    if store := _store_of(place):
        raise _of_store(spelt, store)
    if any(_is_input(place, text) for text in _texts(others)):
        raise UsageFailure(f"{spelt} is an input of this command; it was left as it is", OTHER)
    return path if found else None


def refuse_in_store(option: str, path: Path, what: str) -> None:
    """Refuse to write what is for one person alone into a store, at any place in it: stores are shared.

    Args:
        what: it is, for people.

    Raises:
        UsageFailure: the file would lie there.
    """
    place = _place(path, f"--{option} {path}")
    store = next((folder for folder in place.parents if (folder / STORE).is_file()), None)
    if store:
        raise UsageFailure(
            f"--{option} {path} is in the store {store}, which is copied, merged and shared: no place for "
            f"{what}",
            f"--{option} {quote(str(store.parent / place.name))}, say",
        )


def checked(given: Mapping[str, object]) -> Iterator[tuple[str, Path, bool]]:
    """Every file that a command is to write over, by its option, looked at: is it there already?

    What is written on (`--export`) may be there, and may be an input.

    Raises:
        UsageFailure: as `check`.
    """
    others = [value for name, value in given.items() if name not in OUTPUTS]
    for name in WRITTEN:
        path = given.get(name)
        if isinstance(path, Path) and name in OUTPUTS:
            yield name, path, check(name, path, others) is not None
        elif isinstance(path, Path):
            check(name, path)


def check_apart(given: Mapping[str, object]) -> None:
    """Refuse one file for two outputs of a command: the second would be written over the first.

    Raises:
        UsageFailure: naming both options.
    """
    places: dict[Path, str] = {}
    for option in WRITTEN:
        path = given.get(option)
        if not isinstance(path, Path) or not _is_plain(place := _place(path, f"--{option} {path}")):
            continue
        if other := places.get(place):
            raise UsageFailure(f"--{option} and --{other} are both {path}", "name two files")
        places[place] = option


def check_database(address: str) -> None:
    """Refuse a database that cannot or must not be written, without making anything.

    Raises:
        UsageFailure: as `check`, but that one which is there may be read-only; or it is no database.
    """
    from deepunlearn_cli.sweep import check_address, file_of

    if file := file_of(address):
        spelt = f"--database {file}"
        place, there = _looked_at(file, spelt)
        if store := _store_of(place):
            raise _of_store(spelt, store)
        if not there:
            check("database", file)
    check_address(address)


def agree(option: str, path: Path, *, force: bool, cure: str = OVER) -> None:
    """Have somebody agree that a file that is there is written over.

    Args:
        cure: what does that where nobody can be asked.

    Raises:
        UsageFailure: nobody does.
    """
    if force:
        return
    if sys.stdin is not None and sys.stdin.isatty() and typer.confirm(f"write over {path}?", err=True):
        return
    raise UsageFailure(f"--{option} {path} is there already; it was left as it is", cure)


def _takes_files(folder: Path) -> bool:
    """Whether a folder takes a file: by its mode root may write anywhere, in /proc too; a full disk does."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return is_full(error)


def _is_plain(place: Path) -> bool:
    """Whether a place is that of a file, or of none yet: /dev/null may stand for two."""
    return place.is_file() or not place.exists()


def _looked_at(path: Path, spelt: str) -> tuple[Path, os.stat_result | None]:
    """The place that a path means, and what is there."""
    place = _place(path, spelt)
    try:
        return place, _status(place)
    except PermissionError as error:
        raise forbidden(error, path) from None
    except (OSError, ValueError) as error:
        raise UsageFailure(f"{spelt}: {getattr(error, 'strerror', None) or error}", OTHER) from None


def _place(path: Path, spelt: str) -> Path:
    """Where a path leads. `UsageFailure` if nowhere: links in a circle, or no such user behind a tilde."""
    try:
        return path.expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageFailure(f"{spelt}: {getattr(error, 'strerror', None) or error}", OTHER) from None


def _status(place: Path) -> os.stat_result | None:
    try:
        return place.stat()  # fails where a name is too long
    except (FileNotFoundError, NotADirectoryError):
        return None


def _store_of(place: Path) -> Path | None:
    """The store whose own file this is or would be."""
    for folder in place.parents:
        first = place.relative_to(folder).parts[0]
        if (first in OWN or first.startswith((".index-", f".{STORE}"))) and (folder / STORE).is_file():
            return folder
    return None


def _of_store(spelt: str, store: Path) -> UsageFailure:
    return UsageFailure(f"{spelt} belongs to the store {store}; it was left as it is", OTHER)


def _texts(values: Iterable[object]) -> Iterator[str]:
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _texts(value)
        elif isinstance(value, (str, Path)):
            yield str(value)


def _is_input(place: Path, text: str) -> bool:
    """Whether a value names the file, alone or as in `indices:FILE`, `FILE.py:CLASS`, `sqlite:///FILE`."""
    behind = text.partition(":")[2]
    named = {text, behind, behind.removeprefix("///"), text.rpartition(":")[0]}
    for name in filter(None, named):
        try:
            other = Path(name).expanduser().resolve()
            same = place.exists() and other.is_file() and place.samefile(other)
            within = name == behind and other.is_dir() and place.is_relative_to(other)
        except (OSError, ValueError, RuntimeError):
            continue
        if same or within:
            return True
    return False
