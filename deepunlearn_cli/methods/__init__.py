"""The method room: one file per method, whose name is the method's public name.

May import: `core`, `engine`.
"""

from deepunlearn_cli.core.registry import Room
from deepunlearn_cli.methods._method import Method, Sizes

__all__ = ["METHODS", "Method", "Sizes", "for_any_original"]

METHODS: Room[Method] = Room("deepunlearn_cli.methods", Method, "method", "deepunlearn methods")  # type: ignore[type-abstract]


def for_any_original() -> list[str]:
    """What `all` means: the methods that start from any original, those for tracked ones left out."""
    return [name for name in METHODS.names() if not METHODS.get(name).tracked]
