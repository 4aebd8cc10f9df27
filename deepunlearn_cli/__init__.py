"""Remove training data from image classifiers, prove how well it worked, compare the methods."""

from __future__ import annotations

TYPE_CHECKING = False  # what mypy takes for typing's: the command line is to be awake before that is loaded
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.2.0"
__all__ = ["__version__", "audit", "make_task", "unlearn"]


def __getattr__(name: str) -> Any:
    """The library, imported when it is asked for: the command line starts without it."""
    if name in ("make_task", "unlearn"):
        from deepunlearn_cli import library

        return getattr(library, name)
    if name == "audit":
        from deepunlearn_cli.studies.of_models import audit

        return audit
    raise AttributeError(name)
