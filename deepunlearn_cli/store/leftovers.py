"""What killed processes leave in a store beside its runs, by name; and how it goes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from deepunlearn_cli.system.locks import is_free

# Whoever writes these holds a lock on them, which dies with it.
HELD = (
    "data/.staging-*", "data/*/.staging-*", "studies/.worker-*.lock", "studies/.*.collecting",
)  # fmt: skip
# A text each, written within milliseconds and then renamed.
DRAFTS = ("studies/.*.part", "purposes/*/.*.part")
KEPT = ("studies/*.torn",)  # journals as they were before they were mended
DERIVED = (".index-*", ".store.json-*")
DRAFT_SECONDS = 60.0


def left_at(root: Path) -> Iterator[Path]:
    """Leftovers in a store, but those of runs."""
    for pattern in HELD:
        yield from (path for path in root.glob(pattern) if is_free(path))
    for pattern in DRAFTS:
        yield from (path for path in root.glob(pattern) if _age(path) > DRAFT_SECONDS)
    for pattern in (*KEPT, *DERIVED):
        yield from root.glob(pattern)


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
