"""Rooms of residents: one file per method, attack or dataset family; the file's name is its public name.

A room also takes in plug-ins: from a file, a module or an installed package that somebody names.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import isclass
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from deepunlearn_cli.core import loading, plugins
from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure, unknown
from deepunlearn_cli.core.plugins import Plugin
from deepunlearn_cli.core.source import import_from_here, located

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.metadata import EntryPoint

Resident = TypeVar("Resident")


def _fit(kind: type) -> str:
    return ""


@dataclass(frozen=True)
class Room(Generic[Resident]):
    """A package whose every module (names with a leading underscore aside) defines one subclass of `base`.

    A module `fashion_mnist.py` is known as `fashion-mnist`; a class may add `aliases`. Whatever else a person
    names (`get`) may be a plug-in: `./mine.py:Mine`, `./mine.py` with one class of the kind, or
    `package.module:Class`; or the name of an entry point of the group `deepunlearn.<noun>s`.
    """

    package: str
    base: type[Resident]
    noun: str
    listing: str  # the command that lists the residents
    fault: loading.Fault = _fit  # of a plug-in

    @property
    def group(self) -> str:
        """The group of entry points in which packages offer plug-ins."""
        return f"deepunlearn.{self.noun}s"

    def names(self) -> list[str]:
        """Public names of the residents in alphabetical order, without importing any."""
        path = tuple(import_module(self.package).__path__)
        return list(_files(path, tuple(Path(folder).stat().st_mtime_ns for folder in path)))

    def residents(self) -> dict[str, type[Resident]]:
        """By public name, every resident that can be loaded; `faults` tells of the others."""
        loaded = {name: self._tried(name) for name in self.names()}
        return {name: kind for name, kind in loaded.items() if not isinstance(kind, Failure)}

    def faults(self) -> dict[str, Failure]:
        """By public name, what is wrong with every resident that cannot be loaded."""
        loaded = {name: self._tried(name) for name in self.names()}
        return {name: kind for name, kind in loaded.items() if isinstance(kind, Failure)}

    def get(self, name: str) -> type[Resident]:
        """The class that a person names. What a recipe or a file says goes to `known`: this loads plug-ins.

        Raises:
            NotFound: there is none, with suggestions.
            UsageFailure: it cannot be loaded, with the line where that fails.
        """
        own = self._own(name)
        if own:
            self._tell_of_namesakes(name)
            return self._load(own)
        plugin = self.plugin(name)
        if plugin is None:
            raise self._unknown(name)
        return cast("type[Resident]", plugin.kind)

    def known(self, name: str) -> type[Resident] | None:
        """The class that a recipe names: a resident that can be loaded, or a plug-in that was named here.

        None for any other: nothing of the user's is imported for what a store or a file says.
        """
        if own := self._own(name):
            kind = self._tried(own)
            return None if isinstance(kind, Failure) else kind
        if not plugins.is_name(name):
            return None
        for place in plugins.pending(self.group):
            self.plugin(place)
        plugin = plugins.find(self.group, name)
        return cast("type[Resident]", plugin.kind) if plugin else None

    def needed(self, name: str, place: str = "") -> type[Resident]:
        """The same, where a run cannot be made without it; `place` is where a plug-in was.

        Raises:
            NotFound: a plug-in that this process was not told of, or whose code is another by now.
        """
        if own := self._own(name):
            return self._load(own)
        kind = self.known(name)
        if kind is None:
            raise self.absent(name, place) if plugins.is_name(name) else self._unknown(name)
        return kind

    def public_name(self, name: str) -> str:
        """The one name that recipes use for what a person names."""
        return plugins.name_of(self.get(name))

    def spelling(self, name: str) -> str:
        """How a person names what recipes name so."""
        plugin = plugins.find(self.group, name)
        return plugin.spelling if plugin else name

    def absent(self, name: str, place: str = "", cure: str = "") -> NotFound:
        """What to say of a plug-in that is needed and that this process was not told of.

        Args:
            place: where it was; `cure` is a command that names it.
        """
        short = plugins.class_of(name)
        here = [one.name for one in plugins.loaded(self.group) if plugins.class_of(one.name) == short]
        if here:
            return NotFound(
                f"{self.noun} {name} is the plug-in {short} with other code than it has here ({here[0]})",
                "undo the change, or ask for it anew with the code as it is now",
            )
        state = f"{place} is gone" if (gone := loading.is_gone(place)) else "nobody named it here"
        named = cure or f"--{self.noun} {place or f'FILE.py:{short}'}"
        return NotFound(
            f"{self.noun} {name} is a plug-in, and {state}",
            f"put it back; {named}" if gone else f"{named} loads it, if you trust its code",
        )

    def aliases(self) -> dict[str, str]:
        """Every alias of a resident with the public name it stands for."""
        return {
            alias: name for name, kind in self.residents().items() for alias in getattr(kind, "aliases", ())
        }

    def installed(self) -> Mapping[str, list[EntryPoint]]:
        """By name, what installed packages offer under names that are no resident's; nothing is imported."""
        taken = self.names()
        return {name: found for name, found in self._offered().items() if name not in taken}

    def namesakes(self) -> Mapping[str, list[EntryPoint]]:
        """By name, what they offer under the name of a resident, which it does not take."""
        taken = self.names()
        return {name: found for name, found in self._offered().items() if name in taken}

    def address(self, text: str) -> loading.Address | None:
        """Where the class of a file or module is that a text names; None behind a known name."""
        head = text.partition(":")[0]
        if self._own(head, aliases=False) or plugins.is_name(head) or head in self.installed():
            return None
        return loading.read_address(text)

    def is_own(self, name: str) -> bool:
        """Whether a name or alias stands for a resident."""
        return self._own(name) is not None

    def is_plugin(self, name: str) -> bool:
        """Whether a person who names this means a plug-in; it need not be there."""
        if self._own(name, aliases=False):
            return False
        return bool(loading.read_address(name)) or plugins.is_name(name) or name in self.installed()

    def plugin(self, name: str) -> Plugin | None:
        """The plug-in that a person names; None where it is no form of naming one.

        Raises:
            NotFound, UsageFailure: as `get`.
        """
        title = f"{self.noun} {name}"
        if plugins.is_name(name):
            if self.known(name) is None:
                raise self.absent(name)
            return plugins.find(self.group, name)
        if address := loading.read_address(name):
            if address.rest:
                raise UsageFailure(f"{title}: nothing goes behind the class", f"name it as {address.place}")
            self._check_module(title, address)
            return plugins.load(self._wanted(title, name, address.place), address)
        entries = self.installed().get(name, [])
        if len(entries) > 1:
            raise plugins.refused(title, entries)
        return plugins.load_installed(self._wanted(title, name, name), entries[0]) if entries else None

    def _check_module(self, title: str, address: loading.Address) -> None:
        """Refuse a module that there is not: perhaps a name of this room was meant."""
        import_from_here()
        top = address.module.partition(".")[0]
        if top and located(top) is None:
            raise NotFound(f"{title}: there is no module {top}", self._unknown(top).hint)

    def _wanted(self, title: str, spelling: str, place: str) -> plugins.Wanted:
        return plugins.Wanted(self.group, self.base, title, spelling, place, self.fault)

    def _own(self, name: str, *, aliases: bool = True) -> str | None:
        """The resident that a name or alias stands for."""
        wanted = name.lower()
        if wanted in self.names():
            return wanted
        if not aliases or loading.read_address(name) or plugins.is_name(name):
            return None
        return self.aliases().get(wanted)

    def _offered(self) -> Mapping[str, list[EntryPoint]]:
        return _entry_points(self.group, tuple(sys.path))

    def _tell_of_namesakes(self, name: str) -> None:
        for entry in self._offered().get(name, []):
            there = f"the {self.noun} that {plugins.origin_of(entry)} offers under this name is {entry.value}"
            plugins.tell(f"{self.noun} {name} is deepunlearn's own; {there}")

    def _unknown(self, name: str) -> NotFound:
        known = [*self.names(), *self.aliases(), *self.installed()]
        return unknown(self.noun, name, known, f"{self.listing} lists them all")

    def _tried(self, name: str) -> type[Resident] | Failure:
        try:
            return self._load(name)
        except Failure as failure:
            return failure

    def _load(self, name: str) -> type[Resident]:
        title = f"{self.noun} {name}"
        try:
            module = import_module(f"{self.package}.{name.replace('-', '_')}")
        except Exception as error:
            raise loading.broken(title, error) from error
        classes = [value for value in vars(module).values() if self._is_resident(value, module.__name__)]
        if len(classes) != 1:
            found = ", ".join(kind.__name__ for kind in classes) or "none"
            file = loading.shown(str(module.__file__))
            raise UsageFailure(
                f"{title}: {file} must define one {self.base.__name__}, not {found}", loading.SHOW
            )
        return cast("type[Resident]", classes[0])

    def _is_resident(self, value: object, module: str) -> bool:
        return (
            isclass(value)
            and issubclass(value, self.base)
            and value.__module__ == module
            and not loading.missing(value)
        )


@cache
def _entry_points(group: str, path: tuple[str, ...]) -> Mapping[str, list[EntryPoint]]:
    """By name, the entry points of a group on this path, each value of a name once."""
    from importlib.metadata import entry_points

    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, {}).setdefault(entry.value, entry)
    return {name: [found[name][value] for value in sorted(found[name])] for name in sorted(found)}


@cache
def _files(path: tuple[str, ...], _changed: tuple[int, ...]) -> tuple[str, ...]:
    """Public names of the modules in these folders, as they were when they last changed; sorted."""
    return tuple(sorted(m.name.replace("_", "-") for m in iter_modules(path) if not m.name.startswith("_")))
