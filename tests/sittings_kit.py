"""Plans that were carried out, with what was written down of them."""

from __future__ import annotations

from pathlib import Path

from cli_kit import ok


def carried_out(place: Path, plan: str) -> Path:
    """The folder, with a plan, the store that it was carried out in, and its file of figures."""
    (place / "plan.toml").write_text(plan)
    ok("bench", place / "plan.toml", "--store", place / "store", "--export", place / "figures.jsonl")
    return place
