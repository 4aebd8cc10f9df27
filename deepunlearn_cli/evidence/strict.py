"""JSON of evidence: one meaning for each text, so that nobody reads in it what another does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def load(text: bytes) -> Any:
    """The value of a JSON text in UTF-8.

    Raises:
        ValueError: it is none, it names a key twice, or it holds NaN or an infinity.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is named twice")
    return made


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
