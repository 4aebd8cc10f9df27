"""Which code makes a model of the user's: a hash of its source, so that a key knows what it is of."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, resolve_name
from pathlib import Path


def source_hash(module: str) -> str | None:
    """SHA-256 (hex) over the source of a module and of all modules of the user's that it imports.

    Those that are installed or come with Python are not of the user's. None where there is no such module.
    """
    files: dict[str, bytes] = {}
    _collect(module, files)
    if not files:
        return None
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return digest.hexdigest()


def import_from_here() -> None:
    """Let modules of the present folder be found, as `python -m` does."""
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))


def _collect(module: str, files: dict[str, bytes]) -> None:
    spec = _spec(module)
    if spec is None or module in files or not _own(spec):
        return
    files[module] = Path(str(spec.origin)).read_bytes().replace(b"\r\n", b"\n")
    package = spec.name if spec.submodule_search_locations else spec.name.rpartition(".")[0]
    for name in _imported(files[module], package):
        _collect(name, files)


def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (ImportError, ValueError, AttributeError):  # `from package import name`, and the name is no module
        return None


def _own(spec: ModuleSpec) -> bool:
    if not spec.has_location or not str(spec.origin).endswith(".py"):
        return False
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    origin = Path(str(spec.origin)).resolve()
    return not any(origin.is_relative_to(folder.resolve()) for folder in installed)


def _imported(source: bytes, package: str) -> Iterator[str]:
    """Names of all modules that a source may import, the packages that they are in too."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield from (base, *(f"{base}.{name.name}" for name in node.names)) if base else ()


def _absolute(name: str, package: str) -> str:
    try:
        return resolve_name(name, package)
    except (ImportError, ValueError):
        return ""
