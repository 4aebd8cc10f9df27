"""Plug-ins: methods, attacks and datasets of the user's that this process was told to load, and no others.

One is known as `CLASS@CODE`: the name of its class and the first digits of the SHA-256 of its code, with that
of what it imports from beside itself. Wherever it lies it has that name, and other code never has it. Recipes
hold the name and nothing that could be imported: a store cannot make a process load anything.
"""

from __future__ import annotations

import hashlib
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from deepunlearn_cli.core import loading
from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.core.source import PACKAGE, code_of, gathered_by, imported, is_installed, of_the_user

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

DIGITS = 8  # of the hash in a name; runs keep the whole of it
NAME = re.compile(rf"[^\W\d][\w.]*@[0-9a-f]{{{DIGITS}}}")
Grant = tuple[str, str]  # a group of plug-ins and the place of one


class Notice(UserWarning):
    """Something about a plug-in that a person should know."""


@dataclass(frozen=True)
class Plugin:
    """A class of the user's.

    Attributes:
        name: `CLASS@CODE`, as recipes have it.
        code: SHA-256 (hex) of its code.
        spelling: as somebody named it; `place` is the same from any folder.
        files: whose code is in the hash, of the `modules`; `loose` are modules of the user's and installed
            packages that it imports and that are not.
        stamp: of the files as they were loaded.
    """

    kind: type
    name: str
    code: str
    spelling: str
    place: str
    source: str
    files: tuple[str, ...]
    modules: tuple[str, ...]
    loose: tuple[str, ...]
    stamp: str

    def is_current(self) -> bool:
        """Whether its files are still what was loaded."""
        return stamp_of(self.files) == self.stamp


def stamp_of(files: Iterable[str]) -> str:
    """SHA-256 (hex) of files; of one that is gone, of nothing."""
    digest = hashlib.sha256()
    for file in files:
        text = Path(file).read_bytes() if Path(file).is_file() else b""
        digest.update(f"{file} {len(text)}\n".encode() + text)
    return digest.hexdigest()


_by_name: dict[Grant, Plugin] = {}  # by group and public name
_by_place: dict[Grant, Plugin] = {}
_granted: set[Grant] = set()  # what another process was told to load, and this one has not yet needed


def is_name(text: str) -> bool:
    """Whether a text has the form of a plug-in's public name."""
    return NAME.fullmatch(text) is not None


def class_of(name: str) -> str:
    """What a plug-in's name says without its code: `Mine` of `Mine@1a2b3c4d`; any other name as it is."""
    return name.partition("@")[0] if is_name(name) else name


def find(group: str, name: str) -> Plugin | None:
    """A plug-in that was loaded, by its public name."""
    return _by_name.get((group, name))


def at(group: str, place: str) -> Plugin | None:
    """A plug-in that was loaded, by its place."""
    return _by_place.get((group, place))


def loaded(group: str) -> list[Plugin]:
    """The plug-ins of a group that were loaded."""
    return [plugin for (known, _), plugin in _by_name.items() if known == group]


def of(kind: type) -> Plugin | None:
    """The plug-in that a class is; None for what is the tool's own."""
    return next((one for one in _by_name.values() if one.kind is kind), None)


def name_of(kind: type) -> str:
    """The public name of a class in a room: that of a plug-in, or of its own file."""
    plugin = of(kind)
    return plugin.name if plugin else kind.__module__.rpartition(".")[2].replace("_", "-")


def identity(kind: type) -> str:
    """What tells the code of a class from any other: equal for the same code, wherever it lies."""
    plugin = of(kind)
    return f"{plugin.name} {plugin.code}" if plugin else kind.__module__


def grants() -> list[Grant]:
    """What this process may load, for processes that work for it."""
    return sorted({*_by_place, *_granted})


def grant(given: list[Grant]) -> None:
    """Let this process load what its owner was told to."""
    _granted.update(given)


def pending(group: str) -> list[str]:
    """Places of a group that were granted and are not loaded yet."""
    return [place for known, place in sorted(_granted) if known == group and (group, place) not in _by_place]


@dataclass(frozen=True)
class Wanted:
    """What a person asks a room for: a group's class of this base, by this spelling, from this place.

    `title` begins every message; `fault` says why a class will not do.
    """

    group: str
    base: type
    title: str
    spelling: str
    place: str
    fault: loading.Fault


def load(wanted: Wanted, address: loading.Address) -> Plugin:
    """The plug-in at an address.

    Raises:
        NotFound, UsageFailure: as `loading.opened` and `loading.chosen`.
    """
    open_it = partial(loading.opened, address, wanted.title)
    return _loaded(wanted, open_it, address.attribute, "" if address.file else address.module)


def load_installed(wanted: Wanted, entry: EntryPoint) -> Plugin:
    """The plug-in of an installed package.

    Raises:
        NotFound, UsageFailure: as `load`.
    """
    open_it = partial(loading.from_module, entry.module, wanted.title)
    return _loaded(wanted, open_it, entry.attr, origin_of(entry))


def origin_of(entry: EntryPoint) -> str:
    """Where an installed plug-in comes from: `package 1.0 (package.module:Class)`."""
    package = f"{entry.dist.name} {entry.dist.version} " if entry.dist else ""
    return f"{package}({entry.value})"


def _loaded(
    wanted: Wanted, open_it: Callable[[], tuple[ModuleType, bytes]], attribute: str, origin: str
) -> Plugin:
    """The plug-in, in the table of those that were loaded; a warning of code that its hash is not of."""
    group, place = wanted.group, wanted.place
    _forget_edited()
    if known := at(group, place):
        return known
    before = set(sys.modules)
    module, source = open_it()
    attribute, kind = loading.chosen(module, attribute, wanted.base, wanted.title, wanted.fault)
    files = gathered_by(source, module.__package__ or "", partial(_ours, module))
    files.pop(module.__name__, None)
    code = _hashed({"": source, **files})
    unseen = _unseen(before, {module.__name__, *files}, module)
    named = {name for text in (source, *files.values()) for name in imported(text, "")}
    paths = (str(module.__file__), *_paths(files))
    plugin = Plugin(
        kind=kind,
        name=f"{attribute}@{code[:DIGITS]}",
        code=code,
        spelling=wanted.spelling,
        place=loading.with_class(place, attribute),
        source=origin or loading.shown(str(module.__file__)),
        files=paths,
        modules=(module.__name__, *files),
        loose=(*unseen, *loading.outside(named, partial(_ours, module))),
        stamp=stamp_of(paths),
    )
    plugin = _by_name.setdefault((group, plugin.name), plugin)
    _by_place[group, place] = plugin
    if unseen and (group, place) not in _granted:
        edits = "its hash does not follow how, and so not their edits"
        tell(f"{wanted.spelling} imports {', '.join(unseen)}: {edits}")
    return plugin


def _forget_edited() -> None:
    """Let plug-ins be loaded anew whose files were edited since, in a notebook say: they are others now."""
    for key, plugin in list(_by_place.items()):
        if not plugin.is_current():
            del _by_place[key]
            for name in plugin.modules:
                sys.modules.pop(name, None)


def _ours(module: ModuleType, name: str, spec: ModuleSpec) -> bool:
    """Whether a module that a plug-in imports is of the user's, or of the plug-in's own package."""
    first = name.partition(".")[0]
    if first == PACKAGE or not spec.has_location or not str(spec.origin).endswith(".py"):
        return False
    return first == module.__name__.partition(".")[0] or of_the_user(spec)


def _hashed(sources: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) over the code of modules by name."""
    digest = hashlib.sha256()
    for name in sorted(sources):
        code = code_of(sources[name])
        digest.update(f"{name} {len(code)}\n".encode() + code)
    return digest.hexdigest()


def _paths(names: Iterable[str]) -> list[str]:
    modules = [sys.modules[name] for name in sorted(names) if name in sys.modules]
    return [str(module.__file__) for module in modules]


def _unseen(before: set[str], covered: set[str], module: ModuleType) -> list[str]:
    """Modules of the user's, or of the plug-in's own package, that came with an import and are in no hash."""
    found, top = [], module.__name__.partition(".")[0]
    for name in sorted(set(sys.modules) - before - covered):
        file = getattr(sys.modules[name], "__file__", None)
        first = name.partition(".")[0]
        if file and first != PACKAGE and (first == top or not is_installed(Path(file))):
            found.append(name)
    return found


@contextmanager
def blamed(kind: type) -> Iterator[None]:
    """Work of a class that may be a plug-in: what its code raises is told in one line, with file and line.

    Raises:
        UsageFailure: of a plug-in; what else is raised is not touched.
    """
    try:
        yield
    except Failure:
        raise
    except Exception as error:
        plugin = of(kind)
        if plugin is None:
            raise
        raise loading.broken(f"plug-in {class_of(plugin.name)}", error, plugin.files) from error


def tell(text: str) -> None:
    """Say something that a person should know, once."""
    warnings.warn(Notice(text), stacklevel=2)


def refused(title: str, entries: list[EntryPoint]) -> UsageFailure:
    """What to say where several packages offer a plug-in of one name."""
    offers = ", ".join(map(origin_of, entries))
    return UsageFailure(f"{title}: several packages offer one: {offers}", f"name it as {entries[0].value}")
