"""A method by what people call it: a name, or a class in a file or module of theirs."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isabstract, isclass
from pathlib import Path
from types import ModuleType

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.exam.answers import last_line
from deepunlearn_cli.methods import METHODS, Method


def load(name: str) -> type[Method]:
    """The class behind a public name, `FILE.py`, `FILE.py:CLASS` or `MODULE:CLASS`.

    Raises:
        NotFound: no such name, file or class.
        UsageFailure: the file cannot be imported, or holds several methods and none is named.
    """
    path, colon, wanted = name.rpartition(":") if not name.endswith(".py") else (name, "", "")
    if not path.endswith(".py") and not colon:
        return METHODS.get(name)
    module = _imported(path)
    own = {
        one.__name__: one
        for one in vars(module).values()
        if isclass(one) and issubclass(one, Method) and one.__module__ == module.__name__
    }
    if wanted and wanted not in own:
        raise NotFound(f"{path} defines no method {wanted!r}", f"it defines: {', '.join(own) or 'none'}")
    found = [own[wanted]] if wanted else [one for one in own.values() if not isabstract(one)]
    if len(found) != 1:
        raise UsageFailure(
            f"{path} defines {len(found)} methods", f"name one: {path}:{next(iter(own), 'Mine')}"
        )
    return found[0]


def _imported(path: str) -> ModuleType:
    try:
        return _from_file(Path(path)) if path.endswith(".py") else import_module(path)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", "give its path, ./mine.py say") from None
    except Exception as error:
        said = last_line(error, str(Path(path).resolve()))
        raise UsageFailure(f"{path} cannot be imported: {said}", "python FILE.py shows why") from error


def _from_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(f"_check_{path.stem}", path.resolve(strict=True))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module
