"""JSON files that carry a digest of themselves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def entry_of(path: Path) -> dict[str, Any]:
    """What a sealed JSON file says.

    Raises:
        OSError, ValueError: it cannot be read, or is not what was sealed.
    """
    entry = json.loads(path.read_text("utf-8"))
    if not isinstance(entry, dict) or ("seal" in entry and sealed(entry)["seal"] != entry["seal"]):
        raise ValueError(path)
    return entry


def sealed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with a digest of itself."""
    plain = {name: value for name, value in entry.items() if name != "seal"}
    text = json.dumps(plain, sort_keys=True)
    return {**plain, "seal": hashlib.sha256(text.encode()).hexdigest()}
