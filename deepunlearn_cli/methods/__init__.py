"""The method room: one file per method, whose name is the method's public name."""

from deepunlearn_cli.methods._method import Method, Sizes
from deepunlearn_cli.registry import Room

__all__ = ["METHODS", "Method", "Sizes"]

METHODS: Room[Method] = Room("deepunlearn_cli.methods", Method, "method", "deepunlearn methods")  # type: ignore[type-abstract]
