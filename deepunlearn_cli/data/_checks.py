"""Every byte that is kept of datasets, compared with what it was: decoded pictures, sources, forget sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deepunlearn_cli.core.errors import Failure, StoreCorrupt
from deepunlearn_cli.data._cache import load_whole
from deepunlearn_cli.data._digests import are_those
from deepunlearn_cli.data._entry import Source, entry_of
from deepunlearn_cli.data._forget import load_forget
from deepunlearn_cli.data._purge import HEX, unfinished
from deepunlearn_cli.data._record import RECORD

Difference = tuple[str, str, bool]  # path below the folder of the data, what is wrong, whether only unread


def differences(home: Path) -> Iterator[Difference]:
    """What below `home` is not what was written there, read in full."""
    try:
        left = unfinished(home)
    except PermissionError as error:
        yield RECORD, f"is not readable by you: {error.filename}", True
        return
    except StoreCorrupt:
        yield RECORD, "was changed or cannot be read: nobody can tell which pictures are blank", False
        return
    for name in left:
        yield name, "still holds pictures that were purged: `deepunlearn purge` ends what was killed", False
    for folder in sorted(home.glob(HEX)):
        yield from _of_pictures(folder, digests=folder.name not in left)
    for source in sorted(home.glob(f"sources/{HEX}.json")):
        yield from _of_source(source, home)
    for kept in sorted(home.glob(f"forget/{HEX}.npz")):
        yield from _of_forget(kept, home)


def _of_pictures(folder: Path, *, digests: bool) -> Iterator[Difference]:
    try:
        dataset = load_whole(folder)
    except PermissionError as error:
        yield folder.name, f"is not readable by you: {error.filename}", True
        return
    if dataset is None:
        yield folder.name, "does not hold the pictures and labels of its fingerprint", False
    elif digests and not are_those(dataset):
        yield f"{folder.name}/pictures.npy", "does not hold the digests of its pictures", False


def _of_source(source: Path, home: Path) -> Iterator[Difference]:
    name = f"sources/{source.name}"
    try:
        entry_of(source, Source)
    except PermissionError:
        yield name, "is not readable by you: it was not checked", True
    except (OSError, ValueError):
        yield name, "was changed or cannot be read", False


def _of_forget(kept: Path, home: Path) -> Iterator[Difference]:
    try:
        load_forget(kept.stem, home)
    except PermissionError:
        yield f"forget/{kept.name}", "is not readable by you: it was not checked", True
    except Failure:
        yield f"forget/{kept.name}", "does not hold the indices of its SHA-256", False
