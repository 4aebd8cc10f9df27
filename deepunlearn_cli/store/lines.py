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
from deepunlearn_cli.core.typed import load
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
        line = _unsealed(text)
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
    return UsageFailure(
        f"line {number + 1} of {file} was edited or damaged",
        f"take it from where it was written; `head -n {number} {file} > whole.jsonl` keeps what is before it",
    )


def unwritable(file: Path, error: OSError) -> UsageFailure:
    """What is said where the file takes no more."""
    return UsageFailure(f"cannot write {file}: {error.strerror}", "choose another file for --export")


def sealed(line: Line) -> str:
    """A line as it is written, with its seal."""
    told = plain(line)
    return json.dumps(told | {"seal": _seal(told)}, ensure_ascii=False, separators=(",", ":")) + "\n"


def _unsealed(text: bytes) -> Line | None:
    try:
        line: Line = load(text, Mapping[str, Any])
        seal = line.pop("seal")
        return line if seal == _seal(line) else None
    except (ValueError, KeyError):
        return None


def _seal(told: Line) -> str:
    return hashlib.sha256(encoded(canonical(told))).hexdigest()[:SEAL]
