"""The store: runs on disk, sealed by manifests, found by their keys, listed by an index.

May import: `core`, `system`.
"""

from deepunlearn_cli.store.manifest import Problem
from deepunlearn_cli.store.run import Run
from deepunlearn_cli.store.store import Store

__all__ = ["Problem", "Run", "Store"]
