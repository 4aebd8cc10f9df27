"""Attacks: one file each; the file's name is the attack's public name.

May import: `core`, `evaluation`, `engine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepunlearn_cli.attacks._attack import Attack, Findings, Source
from deepunlearn_cli.attacks._one_model import OneModel
from deepunlearn_cli.attacks._probe import Judgement, Lab, Probe, Tested
from deepunlearn_cli.attacks._verdict import Rule
from deepunlearn_cli.core.registry import Room
from deepunlearn_cli.core.score import Score
from deepunlearn_cli.evaluation.equivalence import (
    TOLERANCE,
    Decision,
    Gap,
    Verdict,
    check_limit,
    check_tolerance,
    equivalent,
    gap_interval,
    samples_needed,
)

if TYPE_CHECKING:
    from deepunlearn_cli.attacks._evidence import Evidence as Evidence


def _fault(kind: type) -> str:
    """Why a plug-in cannot be an attack: its command follows from one of two bases."""
    return "" if issubclass(kind, OneModel | Probe) else "derives from neither OneModel nor Probe"


# mypy has no type for "an abstract class to be subclassed"
ATTACKS = Room("deepunlearn_cli.attacks", Attack, "attack", "deepunlearn attacks", _fault)  # type: ignore[type-abstract]

__all__ = [
    "ATTACKS",
    "TOLERANCE",
    "Attack",
    "Decision",
    "Findings",
    "Gap",
    "Judgement",
    "Lab",
    "OneModel",
    "Probe",
    "Rule",
    "Score",
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
]


def on_one_model() -> dict[str, type[OneModel]]:
    """By public name, the attacks that look at one model each."""
    return {name: actor for name, actor in ATTACKS.residents().items() if issubclass(actor, OneModel)}


def probes() -> dict[str, type[Probe]]:
    """By public name, the attacks that work on one model itself."""
    return {name: actor for name, actor in ATTACKS.residents().items() if issubclass(actor, Probe)}
