"""What killed processes leave in a store beside its runs, by name; and how it goes."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.store.index import shard_names
from deepunlearn_cli.system.locks import is_free
from deepunlearn_cli.system.rights import forbidden, is_refusal

SCRATCH = ".replay-"  # before the name of a folder in which runs are made again
# Whoever writes these holds a lock on them, which dies with it.
HELD = (
    "data/.staging-*", "data/*/.staging-*", "data/.purge.lock", "studies/.worker-*.lock",
    "studies/.*.collecting", ".ledger.lock", ".certify.lock", ".command-*.lock", f"{SCRATCH}*",
)  # fmt: skip
# A text each, written within milliseconds and then renamed.
DRAFTS = ("studies/.*.part", "purposes/*/.*.part", "stated/.*.part", ".ledger.head-*", "certificates/.*.part")
KEPT = ("studies/*.torn",)  # journals as they were before they were mended
DERIVED = (".index-*", ".store.json-*")
OF_RUN = re.compile(r"\.([0-9a-f]{16})(-.*|\.lock)")
DRAFT_SECONDS = 60.0


def left_of_runs(runs: Path, lock: Callable[[str], Path]) -> list[Path]:
    """Hidden folders and locks of runs, in order, where nobody holds the run's lock."""
    hidden = (path for shard in shard_names(runs) for path in (runs / shard).glob(".*"))
    ours = ((path, OF_RUN.fullmatch(path.name)) for path in hidden)
    return sorted(path for path, name in ours if name and is_free(lock(name[1])))


def left_at(root: Path) -> list[Path]:
    """Leftovers in a store, in order, but those of runs."""
    return sorted({*_left_at(root)})


def _left_at(root: Path) -> Iterator[Path]:
    for pattern in HELD:
        yield from (path for path in root.glob(pattern) if is_free(path))
    for pattern in DRAFTS:
        yield from (path for path in root.glob(pattern) if _age(path) > DRAFT_SECONDS)
    for pattern in (*KEPT, *DERIVED):
        yield from root.glob(pattern)


def discard(place: Path, hidden: Path) -> None:
    """Delete what is at a place, which is empty at once.

    Raises:
        FileNotFoundError: it is already.
        UsageFailure: it may not be moved, or its disk fails.
    """
    try:
        place.rename(hidden)
    except FileNotFoundError:
        raise
    except OSError as error:
        if is_refusal(error):
            raise forbidden(error, place) from None
        raise UsageFailure(f"cannot remove {place}: {error.strerror}", f"ls -ld {place.parent}") from None
    erase(hidden)


def erase(path: Path) -> None:
    """Delete a folder, or what stands where one should be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    """Seconds since it was written; 0 if it is gone."""
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0
