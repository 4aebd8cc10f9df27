"""What is wrong with the searches of a store: every line of their journals is read, and every preset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deepunlearn_cli.core.errors import Failure
from deepunlearn_cli.store.manifest import Problem, not_readable
from deepunlearn_cli.sweep import presets
from deepunlearn_cli.sweep.storage import check_journal, is_entry

STUDIES = "studies"


def problems(folder: Path) -> Iterator[Problem]:
    """The journals and presets of a folder that are not what was written, and those that may not be read."""
    for path in sorted((*folder.glob("*.journal"), *folder.glob("*.toml"))):
        try:
            wrong = _of_journal(path) if path.suffix == ".journal" else _of_preset(path)
        except PermissionError:
            yield not_readable(STUDIES, path.name)
            continue
        if wrong:
            yield Problem(STUDIES, path.name, wrong)


def _of_preset(path: Path) -> str:
    with path.open("rb"):
        pass  # whoever may not read it hears so
    try:
        presets.parse(path)
    except Failure as failure:
        return failure.message
    return ""


def _of_journal(path: Path) -> str:
    """A last line without its end is one that a killed process was writing: it is mended when it is used."""
    try:
        check_journal(path)
    except Failure:
        return "is not an Optuna journal"
    whole = path.read_bytes().split(b"\n")[:-1]
    wrong = [number for number, line in enumerate(whole, 1) if not is_entry(line)]
    return f"line {wrong[0]} is not what was written" if wrong else ""
