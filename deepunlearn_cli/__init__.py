"""Remove training data from image classifiers, prove how well it worked, compare the methods."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "unlearn"]


def __getattr__(name: str) -> Any:
    """`unlearn`, imported when it is asked for: the command line starts without it."""
    if name == "unlearn":
        from deepunlearn_cli.library import unlearn

        return unlearn
    raise AttributeError(name)
