"""Attacks: one file each; the file's name is the attack's public name.

May import: `core`, `evaluation`.
"""

from __future__ import annotations

from deepunlearn_cli.attacks._attack import Attack, Findings, Source
from deepunlearn_cli.attacks._verdict import (
    MARGIN,
    Rule,
    Verdict,
    check_limit,
    check_margin,
    equivalent,
    samples_needed,
    within,
)
from deepunlearn_cli.core.registry import Room

# mypy has no type for "an abstract class to be subclassed"
ATTACKS = Room("deepunlearn_cli.attacks", Attack, "attack", "deepunlearn attacks")  # type: ignore[type-abstract]

__all__ = [
    "ATTACKS",
    "MARGIN",
    "Attack",
    "Findings",
    "Rule",
    "Source",
    "Verdict",
    "check_limit",
    "check_margin",
    "equivalent",
    "samples_needed",
    "within",
]
