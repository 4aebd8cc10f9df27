"""Rooms of residents: one file per method, attack or dataset family; the file's name is its public name."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from inspect import isabstract, isclass
from pkgutil import iter_modules
from typing import Generic, TypeVar, cast

from deepunlearn_cli.core.errors import unknown

Resident = TypeVar("Resident")


@dataclass(frozen=True)
class Room(Generic[Resident]):
    """A package whose every module (names with a leading underscore aside) defines one subclass of `base`.

    A module `fashion_mnist.py` is known as `fashion-mnist`; a class may add `aliases`.
    """

    package: str
    base: type[Resident]
    noun: str
    listing: str  # the command that lists the residents

    def names(self) -> list[str]:
        """Public names in alphabetical order, without importing any resident."""
        path = import_module(self.package).__path__
        return sorted(m.name.replace("_", "-") for m in iter_modules(path) if not m.name.startswith("_"))

    def get(self, name: str) -> type[Resident]:
        """The class behind a public name or alias; `NotFound` with suggestions for any other."""
        wanted = name.lower()
        aliases = {} if wanted in self.names() else self.aliases()
        if wanted not in self.names() and wanted not in aliases:
            raise unknown(self.noun, name, [*self.names(), *aliases], f"{self.listing} lists them all")
        return self._load(aliases.get(wanted, wanted))

    def public_name(self, name: str) -> str:
        """The one name that recipes use for a name or alias."""
        return self.get(name).__module__.rpartition(".")[2].replace("_", "-")

    def aliases(self) -> dict[str, str]:
        """Every alias with the public name it stands for."""
        return {alias: name for name in self.names() for alias in getattr(self._load(name), "aliases", ())}

    def _load(self, name: str) -> type[Resident]:
        module = import_module(f"{self.package}.{name.replace('-', '_')}")
        classes = [value for value in vars(module).values() if self._is_resident(value, module.__name__)]
        assert len(classes) == 1, f"{module.__name__} must define one {self.base.__name__}, not {classes}"
        return cast("type[Resident]", classes[0])

    def _is_resident(self, value: object, module: str) -> bool:
        return (
            isclass(value)
            and issubclass(value, self.base)
            and value.__module__ == module
            and not isabstract(value)
        )
