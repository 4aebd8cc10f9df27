"""What the lines of a file of figures (`figures.py`) are declared to hold, by what each begins with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from deepunlearn_cli.core.recipe import ID_LENGTH
from deepunlearn_cli.core.rows import Scores
from deepunlearn_cli.core.typed import Mistyped, Rule, Seed, check
from deepunlearn_cli.store.kinds import Facts, Reduced

DTYPES = Literal["|b1", "|i1", "|u1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"]
JOURNAL_HEAD = '{"op_code":'  # of every line of a search's journal

Key = Annotated[
    str,
    Rule(f"{ID_LENGTH} hex digits", lambda text: re.fullmatch(f"[0-9a-f]{{{ID_LENGTH}}}", text) is not None),
]
FileName = Annotated[
    str, Rule("the name of a file", lambda text: re.fullmatch(r"\w[\w.-]*", text) is not None)
]
Study = Annotated[
    str, Rule("the name of a search", lambda text: re.fullmatch(r"[\w.+-]+-[0-9a-f]+", text) is not None)
]


def _is_journal(text: str) -> bool:
    """Whether a text is lines of a journal, as a file can hold them."""
    try:
        return text.startswith(JOURNAL_HEAD) and text.encode().endswith(b"\n")
    except UnicodeEncodeError:
        return False


Lines = Annotated[str, Rule("whole lines of a journal", _is_journal)]


class RecipeLine(TypedDict):
    """A question; its inputs stand further up."""

    recipe: Mapping[str, Any]  # `Recipe.from_json` has the word
    inputs: Mapping[str, Key]


class RunLine(TypedDict):
    """An answer, less the files that are `left`."""

    run: Key
    scores: Scores
    facts: Facts
    left: list[FileName]
    reduced: NotRequired[Reduced]
    outputs: NotRequired[Mapping[str, Mapping[str, Key]]]


class ArrayLine(TypedDict):
    """An array, as `arrays.py` writes it."""

    array: Key
    dtype: DTYPES
    bytes: str


class JournalLine(TypedDict):
    """What a search wrote from a place on."""

    journal: Study
    at: Seed
    text: Lines


class AskedLine(TypedDict):
    """Runs of searches that somebody asked for."""

    asked: list[Key]


KINDS: Mapping[str, Any] = {
    "recipe": RecipeLine,
    "run": RunLine,
    "array": ArrayLine,
    "journal": JournalLine,
    "asked": AskedLine,
}


def kind_of(line: Mapping[str, Any]) -> str:
    """What a line tells, once all that it holds is of its declared type.

    Raises:
        Mistyped: it tells nothing known, or something is of another type.
    """
    kind = next((name for name in KINDS if name in line), None)
    if kind is None:
        raise Mistyped("", None, f"a line of figures: none of {', '.join(KINDS)}")
    check(line, KINDS[kind])
    return kind
