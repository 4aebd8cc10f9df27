"""The lines of a file of figures (`figures`): each ends in its own seal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.recipe import canonical
from deepunlearn_cli.core.typed import Mistyped, load
from deepunlearn_cli.store.run import plain

SCHEMA = 1
HEAD = {"schema": SCHEMA, "deepunlearn": "figures"}
SEAL = 16  # hex digits
Line = dict[str, Any]


def is_figures(file: Path) -> bool:
    """Whether a file begins as one of figures does; so does one that no line was finished of."""
    try:
        with file.expanduser().open("rb") as opened:
            return opened.read(1) == b"{"
    except OSError:
        return False


def lines_of(file: Path) -> Iterator[Line]:
    """The lines of a file behind the first, each checked against its seal; half a last line is left out.

    Raises:
        NotFound, UsageFailure: as `Figures.of`.
    """
    try:
        whole = file.expanduser().read_bytes().rpartition(b"\n")[0]
    except FileNotFoundError:
        raise NotFound(f"no file {file}", "`deepunlearn bench PLAN --export FILE` writes one") from None
    except OSError as error:
        raise UsageFailure(f"cannot read {file}: {error.strerror}", "choose another file") from None
    for number, text in enumerate(whole.splitlines()):
        try:
            line = _unsealed(text)
        except Mistyped as error:
            raise mistyped(file, number, error) from None
        if number == 0:
            _check_head(file, line)
        elif line is None:
            raise broken(file, number)
        else:
            yield line


def _check_head(file: Path, line: Line | None) -> None:
    if line is None or line.get("deepunlearn") != HEAD["deepunlearn"]:
        hint = "`deepunlearn bench PLAN --export FILE` writes one"
        raise UsageFailure(f"{file} is no file of figures", hint)
    if line.get("schema") != SCHEMA:
        raise UsageFailure(
            f"{file} was made by a newer version (schema {line.get('schema')})",
            "pip install --upgrade deepunlearn",
        )


def broken(file: Path, number: int) -> UsageFailure:
    """What is said of a line that is not as it was written; `number` counts those behind the first."""
    return UsageFailure(f"line {number + 1} of {file} was edited or damaged", _mended(file, number))


def mistyped(file: Path, number: int, error: Mistyped) -> UsageFailure:
    """What is said of a line that is as it was sealed, and holds something else than such lines do."""
    return UsageFailure(f"line {number + 1} of {file}: {error}", _mended(file, number))


def _mended(file: Path, number: int) -> str:
    return (
        f"take it from where it was written; `head -n {number} {file} > whole.jsonl` keeps what is before it"
    )


def unwritable(file: Path, error: OSError) -> UsageFailure:
    """What is said where the file takes no more."""
    return UsageFailure(f"cannot write {file}: {error.strerror}", "choose another file for --export")


def sealed(line: Line) -> str:
    """A line as it is written, with its seal."""
    told = plain(line)
    return json.dumps(told | {"seal": _seal(told)}, ensure_ascii=False, separators=(",", ":")) + "\n"


def _unsealed(text: bytes) -> Line | None:
    """A line that is as it was sealed; None of one that is not, or is no JSON.

    Raises:
        Mistyped: some value in it is no plain data.
    """
    try:
        line: Line = load(text, Mapping[str, Any])
    except Mistyped as error:
        if error.key:
            raise
        return None
    return line if line.pop("seal", None) == _seal(line) else None


def _seal(told: Line) -> str:
    return hashlib.sha256(encoded(canonical(told))).hexdigest()[:SEAL]
