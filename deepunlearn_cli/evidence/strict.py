"""JSON of evidence: one meaning for each text, so that nobody reads in it what another does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from deepunlearn_cli.core.typed import check


def load(text: bytes, kind: Any) -> Any:
    """The value of a JSON text in UTF-8, of a declared type.

    Raises:
        ValueError: saying why: it is none, names a key twice, holds NaN or an infinity, is nested too deeply,
            or is of another type.
    """
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError("torn, or no JSON") from None
    check(value, kind)
    return value


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is named twice")
    return made


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
