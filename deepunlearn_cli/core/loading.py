"""Code of the user's that a command line names: found, imported, and what is wrong with it in one line."""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import Field, dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.source import (
    PACKAGE,
    import_from,
    import_from_here,
    imported,
    is_installed,
    located,
)
from deepunlearn_cli.core.source import read as read_source

NAME = r"[^\W\d]\w*"
FILE = re.compile(r"(?P<file>.+?\.py)(?::(?P<attribute>[^:]*))?(?::(?P<rest>.*))?", re.DOTALL)
MODULE = re.compile(
    rf"(?P<module>{NAME}(?:\.{NAME})*):(?P<attribute>{NAME}(?:\.{NAME})*)(?::(?P<rest>.*))?", re.DOTALL
)
HERE = Path(__file__).parent
SHOW = "--debug shows the whole way there"
Fault = Callable[[type], str]  # why a class will not do, behind its name; nothing if it will


@dataclass(frozen=True)
class Address:
    """Where a class is: in a file or a module; without `attribute` it is the only one of its kind there.

    `rest` is what follows behind another colon.
    """

    file: Path | None = None
    module: str = ""
    attribute: str = ""
    rest: str = ""

    @property
    def place(self) -> str:
        """The same address from any folder."""
        where = str(self.file.expanduser().absolute()) if self.file else self.module
        return f"{where}:{self.attribute}" if self.attribute else where


def read_address(text: str) -> Address | None:
    """`FILE.py[:Class]` or `package.module:Class`; None for any other text."""
    if found := FILE.fullmatch(text):
        return Address(Path(found["file"]), "", found["attribute"] or "", found["rest"] or "")
    if found := MODULE.fullmatch(text):
        return Address(None, found["module"], found["attribute"], found["rest"] or "")
    return None


def with_class(place: str, attribute: str) -> str:
    """A place with the class that was the only one there; the name of an entry point is one already."""
    address = read_address(place)
    return f"{place}:{attribute}" if address and not address.attribute else place


def is_gone(place: str) -> bool:
    """Whether a place is in a file that is no longer there."""
    address = read_address(place)
    return bool(address and address.file and not address.file.is_file())


def opened(address: Address, title: str) -> tuple[ModuleType, bytes]:
    """The module at an address and its source. `title` begins every message: `method ./mine.py:Mine`.

    Raises:
        NotFound: no such file or module.
        UsageFailure: it cannot be imported, with the line where that fails.
    """
    if address.file:
        return _from_file(address.file.expanduser(), title)
    import_from_here()
    return from_module(address.module, title)


def module_of(name: str, title: str) -> ModuleType:
    """A module by its name. Raises as `opened`."""
    with _guest(title, name):
        return import_module(name)


def from_module(name: str, title: str) -> tuple[ModuleType, bytes]:
    """The same of a module by its name."""
    module = module_of(name, title)
    file = getattr(module, "__file__", None)
    if not file or not str(file).endswith(".py"):
        raise UsageFailure(f"{title}: {name} is no Python file", "name the module that the class is in")
    return module, read_source(Path(file))


def _from_file(file: Path, title: str) -> tuple[ModuleType, bytes]:
    if not file.is_file():
        raise NotFound(f"{title}: there is no file {file}", "check the path")
    try:
        source = read_source(file)
    except OSError as error:
        raise UsageFailure(f"{title}: {file}: {error.strerror}", "check its permissions") from None
    place = file.absolute()
    name = f"deepunlearn_plugin_{hashlib.sha256(str(place).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name], source
    import_from(place.parent)
    _check_neighbours(source, place.parent, title)
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = str(place)
    try:
        with _guest(title):
            exec(compile(source, str(place), "exec"), module.__dict__)  # noqa: S102 - the user named it
    except BaseException:
        del sys.modules[name]
        raise
    return module, source


def _check_neighbours(source: bytes, folder: Path, title: str) -> None:
    """Refuse a file that means the module beside it and would get another of the same name."""
    for top in sorted({name.partition(".")[0] for name in imported(source, "")}):
        beside = next((f for f in (folder / f"{top}.py", folder / top / "__init__.py") if f.is_file()), None)
        spec = located(top) if beside else None
        if beside and (spec is None or Path(str(spec.origin)).resolve() != beside.resolve()):
            taken = spec.origin if spec else "nothing"
            raise UsageFailure(
                f"{title}: it imports {top}, for which Python takes {taken}, not {beside}",
                f"rename {beside.name}: one process has one module of a name",
            )


@contextmanager
def _guest(title: str, module: str = "") -> Iterator[None]:
    """An import of the user's code: what it prints is for people, what it raises is told in one line.

    No bytecode is written: read later, it could be of another text than the one whose hash is taken.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        with redirect_stdout(sys.stderr):
            yield
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            hint = "it must be importable from here; a file is named as ./mine.py:Mine"
            raise NotFound(f"{title}: there is no module {error.name}", hint) from None
        raise broken(title, error) from error
    except (Exception, SystemExit) as error:
        raise broken(title, error) from error
    finally:
        sys.dont_write_bytecode = before


def broken(title: str, error: BaseException, files: tuple[str, ...] = ()) -> Failure:
    """What the user's code raised, and where: in the last of its lines that was at work.

    Args:
        files: its own; others are looked at only where none of these is.
    """
    what = error.msg if isinstance(error, SyntaxError) else next(iter(str(error).strip().splitlines()), "")
    said = f"{type(error).__name__}: {what}" if what else type(error).__name__
    return UsageFailure(f"{title}: {_where(error, files)}{said}", SHOW)


def _where(error: BaseException, files: tuple[str, ...]) -> str:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{shown(error.filename)}:{error.lineno}: "
    every = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")
    ]
    frames = [frame for frame in every if Path(frame.filename).parent != HERE]
    own = [frame for frame in frames if frame.filename in files]
    theirs = [frame for frame in frames if not _ours_or_installed(frame.filename)]
    chosen = own[-1:] or theirs[-1:] or frames[:1]
    return "".join(f"{shown(frame.filename)}:{frame.lineno}: " for frame in chosen)


def _ours_or_installed(file: str) -> bool:
    place = Path(file).resolve()
    return place.is_relative_to(HERE.parent.resolve()) or is_installed(place)


def shown(file: str | Path) -> str:
    """A path as short as people need it: from here, if it is below."""
    place = Path(file).absolute()
    return str(place.relative_to(Path.cwd())) if place.is_relative_to(Path.cwd()) else str(place)


def chosen(module: ModuleType, attribute: str, base: type, title: str, fault: Fault) -> tuple[str, type]:
    """A class of a module that is a usable `base`, and its name there; without a name, the only one.

    Raises:
        NotFound: it is not there.
        UsageFailure: it is none, several are, or something is wrong with it, with file and line.
    """
    there = {name: one for name, one in _subclasses(module, base).items() if not missing(one)}
    if not attribute:
        (attribute,) = [*there] if len(there) == 1 else [_one_of(module, there, base, title)]
    one: object = module
    for part in attribute.split("."):
        if not hasattr(one, part):
            has = f"it has {', '.join(there)}" if there else f"it has no {base.__name__} at all"
            raise NotFound(f"{title}: {shown(str(module.__file__))} has no {attribute}", has)
        one = getattr(one, part)
    if not inspect.isclass(one) or not issubclass(one, base):
        wants = f"from {base.__module__.rpartition('._')[0] or base.__module__} import {base.__name__}"
        raise UsageFailure(
            f"{title}: {line_of(one, module)}{attribute} is no {base.__name__}",
            f"{wants}; class {attribute.rpartition('.')[2]}({base.__name__})",
        )
    if one.__module__.partition(".")[0] == PACKAGE:
        raise UsageFailure(f"{title}: {one.__name__} is deepunlearn's own", "name it as the listing does")
    if wrong := _unfinished(one) or _fault(one, fault, title):
        raise UsageFailure(
            f"{title}: {line_of(one, module)}{attribute} {wrong}", "deepunlearn guide your-method"
        )
    return attribute, one


def _fault(one: type, fault: Fault, title: str) -> str:
    try:
        return fault(one)
    except Failure as failure:  # of a default that its own field refuses
        return f"cannot be built with its defaults: {failure.message}"
    except Exception as error:
        raise broken(title, error) from error


def _one_of(module: ModuleType, there: dict[str, type], base: type, title: str) -> str:
    file = shown(str(module.__file__))
    if there:
        listed = ", ".join(f"{line_of(one, module)}{name}" for name, one in there.items())
        raise UsageFailure(f"{title}: several in one file: {listed}", f"name one: {file}:{next(iter(there))}")
    for name, one in _subclasses(module, base).items():
        raise UsageFailure(
            f"{title}: {line_of(one, module)}{name} {_unfinished(one)}", "deepunlearn guide your-method"
        )
    raise UsageFailure(
        f"{title}: {file}:1: no class here is a {base.__name__}", f"class Mine({base.__name__}): ..."
    )


def _subclasses(module: ModuleType, base: type) -> dict[str, type]:
    found = {
        name: one
        for name, one in vars(module).items()
        if inspect.isclass(one) and issubclass(one, base) and one.__module__ == module.__name__
    }
    return {name: one for name, one in found.items() if name == one.__name__ or one.__name__ not in found}


def missing(one: type) -> list[str]:
    """Methods that a class must have, and that its base only declares."""
    return [name for name in dir(one) if getattr(getattr(one, name, None), "__isabstractmethod__", False)]


def _unfinished(one: type) -> str:
    """What every class of a room must have and this one has not."""
    if lacking := missing(one):
        return f"has no {' and no '.join(lacking)}"
    if unset := [name for name, kind in _declared(one) if "ClassVar" in kind and not hasattr(one, name)]:
        return f"does not say its {', '.join(unset)}"
    if fields := [name for name, value in vars(one).items() if isinstance(value, Field)]:
        return f"declares {', '.join(fields)} and is no dataclass: @dataclass(frozen=True) goes above it"
    return ""


def _declared(one: type) -> Iterator[tuple[str, str]]:
    for kind in one.__mro__:
        for name, annotation in inspect.get_annotations(kind).items():
            yield name, str(annotation)


def line_of(one: object, module: ModuleType) -> str:
    """`mine.py:12: ` of a class, or of the module where its line is not known."""
    file = shown(str(module.__file__))
    try:
        place, (_, line) = inspect.getsourcefile(one), inspect.getsourcelines(one)  # type: ignore[arg-type]
    except (OSError, TypeError):
        return f"{file}: "
    return f"{shown(place or file)}:{line}: "


def outside(names: set[str], ours: Callable[[str, ModuleSpec], bool]) -> list[str]:
    """Installed packages among these names of modules: nobody takes a hash of them."""
    tops = sorted({name.partition(".")[0] for name in names} - {PACKAGE, *sys.stdlib_module_names})
    specs = {top: located(top) for top in tops}
    return [top for top, spec in specs.items() if spec is not None and not ours(top, spec)]
