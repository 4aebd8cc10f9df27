"""What the files of a run are declared to hold, as far as code reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from deepunlearn_cli.core.rows import Scores
from deepunlearn_cli.core.typed import Amount, Named, Number, Time

SCORES, FACTS = "scores.json", "facts.json"
ELSEWHERE = "elsewhere.json"  # of a run whose figures came in a file, or that gave up what it kept


class Proved(TypedDict):
    """The numbers of a guarantee (`core/guarantee.py`), and what they follow from."""

    epsilon: Amount
    delta: Amount


class Facts(TypedDict, total=False):
    """What code reasons about of a run's facts; `core.facts` has them all."""

    status: str
    reason: str | None
    created: Time | None
    seconds: Amount | None
    elapsed: Amount | None
    startup: Amount | None
    work: Amount | None
    device: str | None
    node: str | None
    jobs: int | None
    shared: bool | None
    classes: Number | None
    reads: list[str] | None
    title: str | None
    approximate: bool | None
    peak_memory: Amount | None
    peak_device_memory: Amount | None
    threads: Number | None
    torch: str
    version: str
    code: str
    plugin: Mapping[str, Any]
    warnings: list[str]
    hint: str
    guarantee: Annotated[Mapping[str, Any], Named(Proved, float)]
    guarantee_covers: list[str]
    guarantee_leaves_open: list[str]


class Said(TypedDict, total=False):
    """What one of U-LiRA's models says to its guarantee (`studies/claims.py`)."""

    log_p: float | None
    forgotten: Number
    never_seen: Number


Reduced = Annotated[Mapping[str, Any], Named(Said, float | None)]
"""What measures take of a run's outputs, by name: numbers."""


class Elsewhere(TypedDict, total=False):
    """What a run gave up, or left where it came from."""

    left: list[str]
    reduced: Reduced
    given: Mapping[str, str | None]


KINDS: Mapping[str, Any] = {SCORES: Scores, FACTS: Facts, ELSEWHERE: Elsewhere}
"""By the name of a file."""
