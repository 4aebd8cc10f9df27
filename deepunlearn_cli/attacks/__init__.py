"""Attacks: one file each; the file's name is the attack's public name.

May import: `core`, `evaluation`, `engine`.
"""

from __future__ import annotations

from deepunlearn_cli.attacks._attack import Attack, Findings, Source
from deepunlearn_cli.attacks._one_model import OneModel
from deepunlearn_cli.attacks._probe import Judgement, Lab, Probe, Tested
from deepunlearn_cli.attacks._verdict import (
    TOLERANCE,
    Rule,
    Verdict,
    check_limit,
    check_tolerance,
    equivalent,
    gap_interval,
    samples_needed,
    within,
)
from deepunlearn_cli.core.registry import Room

# mypy has no type for "an abstract class to be subclassed"
ATTACKS = Room("deepunlearn_cli.attacks", Attack, "attack", "deepunlearn attacks")  # type: ignore[type-abstract]

__all__ = [
    "ATTACKS",
    "TOLERANCE",
    "Attack",
    "Findings",
    "Judgement",
    "Lab",
    "OneModel",
    "Probe",
    "Rule",
    "Source",
    "Tested",
    "Verdict",
    "check_limit",
    "check_tolerance",
    "equivalent",
    "gap_interval",
    "on_one_model",
    "probes",
    "samples_needed",
    "within",
]


def on_one_model() -> dict[str, type[OneModel]]:
    """By public name, the attacks that look at one model each."""
    actors = {name: ATTACKS.get(name) for name in ATTACKS.names()}
    return {name: actor for name, actor in actors.items() if issubclass(actor, OneModel)}


def probes() -> dict[str, type[Probe]]:
    """By public name, the attacks that work on one model itself."""
    actors = {name: ATTACKS.get(name) for name in ATTACKS.names()}
    return {name: actor for name, actor in actors.items() if issubclass(actor, Probe)}
