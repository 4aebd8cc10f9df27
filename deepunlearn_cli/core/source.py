"""Source code of the user's: where it lies, which modules it is made of, and what of it counts as code."""

from __future__ import annotations

import ast
import io
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec, resolve_name
from pathlib import Path

Ours = Callable[[str, ModuleSpec], bool]  # whether a module, found so, is one of those that are asked for
PACKAGE = __name__.partition(".")[0]


def import_from_here() -> None:
    """Let modules of the present folder be found, as `python -m` does."""
    import_from(Path.cwd())


def import_from(folder: Path) -> None:
    """Let modules of a folder be found before all others, as those beside a script are."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def located(module: str) -> ModuleSpec | None:
    """Where a module would be imported from; nothing is imported to find it, its packages neither."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):  # a part of a name that is no module
        return None
    for number in range(1, len(rest) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = ".".join([top, *rest[:number]])
        spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
    return spec


def of_the_user(spec: ModuleSpec) -> bool:
    """Whether a module is a Python file that is neither installed nor part of Python."""
    if not spec.has_location or not str(spec.origin).endswith(".py"):
        return False
    return not is_installed(Path(str(spec.origin)))


def is_installed(file: Path) -> bool:
    """Whether a file came with Python or by an installation."""
    place = file.resolve()
    return any(place.is_relative_to(folder) for folder in _installed())


@cache
def _installed() -> tuple[Path, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in names)


def gathered(module: str, ours: Ours) -> dict[str, bytes]:
    """By name, the sources of a module and of all that are imported by it, as far as they are `ours`."""
    files: dict[str, bytes] = {}
    _gather(module, files, ours)
    return files


def gathered_by(source: bytes, package: str, ours: Ours) -> dict[str, bytes]:
    """The same of a text that is a part of `package` (or of none): of what it imports, without itself."""
    files: dict[str, bytes] = {}
    for name in imported(source, package):
        _gather(name, files, ours)
    return files


def _gather(module: str, files: dict[str, bytes], ours: Ours) -> None:
    spec = None if module in files else located(module)
    if spec is None or not ours(module, spec):
        return
    files[module] = read(Path(str(spec.origin)))
    package = spec.name if spec.submodule_search_locations else spec.name.rpartition(".")[0]
    for name in imported(files[module], package):
        _gather(name, files, ours)


def read(file: Path) -> bytes:
    """A source with the line ends of Unix: where it was written is no part of it."""
    return file.read_bytes().replace(b"\r\n", b"\n")


def imported(source: bytes, package: str) -> Iterator[str]:
    """Names of all modules that a source may import, the packages that they are in too."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
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


Place = tuple[int, int]  # line from 1, column from 0 in characters
Span = tuple[Place, Place]


def code_of(source: bytes) -> bytes:
    """What of a source runs: without comments, documentation and blank lines, in its own words otherwise.

    Equal under every version of Python, as no text that is made of a syntax tree is. Texts within the code
    are kept to the letter.
    """
    lines = source.decode("utf-8", "surrogateescape").split("\n")
    try:
        documents, comments, texts = _documentation(source, lines), *_tokens(source)
    except (SyntaxError, ValueError, tokenize.TokenError):
        return source
    to_the_letter = _rows(texts) - _rows(documents)
    for start, end in sorted([*comments, *documents], reverse=True):
        _cut(lines, start, end)
    kept = (
        line if row in to_the_letter else line.rstrip() or None for row, line in enumerate(lines, start=1)
    )
    return "\n".join(line for line in kept if line is not None).encode("utf-8", "surrogateescape")


def _tokens(source: bytes) -> tuple[list[Span], list[Span]]:
    """Where comments are, and where a token goes over several lines, as only texts do."""
    spans: tuple[list[Span], list[Span]] = ([], [])
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            spans[0].append((token.start, token.end))
        elif token.start[0] < token.end[0]:
            spans[1].append((token.start, token.end))
    return spans


def _documentation(source: bytes, lines: list[str]) -> list[Span]:
    """Where there are texts at the head of a module, class or function that has more than them."""
    heads = (
        node.body[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and len(node.body) > 1
    )
    return [_span(head, lines) for head in heads if is_text(head)]


def is_text(statement: ast.AST) -> bool:
    """Whether a statement is a text and nothing else."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _span(node: ast.stmt, lines: list[str]) -> Span:
    """From where to where, with columns in characters: a syntax tree counts bytes."""
    (top, left), (bottom, right) = (
        (row, len(lines[row - 1].encode("utf-8", "surrogateescape")[:column].decode("utf-8", "ignore")))
        for row, column in (
            (node.lineno, node.col_offset),
            (node.end_lineno or node.lineno, node.end_col_offset or 0),
        )
    )
    return (top, left), (bottom, right)


def _rows(spans: list[Span]) -> set[int]:
    return {row for (first, _), (last, _) in spans for row in range(first, last + 1)}


def _cut(lines: list[str], start: Place, end: Place) -> None:
    (first, left), (last, right) = start, end
    lines[first - 1] = lines[first - 1][:left] + lines[last - 1][right:]
    for number in range(first, last):
        lines[number] = ""
