"""Methods that read the pictures which their trials are judged on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepunlearn_cli.methods import METHODS

PART = "val"  # of the data: what dVA and the discernibility of a trial are measured on


def reads_judge(method: str, params: Mapping[str, Any]) -> bool:
    """Whether a method reads validation pictures with these hyperparameters.

    It is searched all the same with the whole part: on half of it, another method would be searched than the
    one that is judged in the end. That is on test pictures, which no search touches.
    """
    if (actor := METHODS.known(method)) is None:
        return False
    known = {name: value for name, value in params.items() if name in actor.domains()}
    return PART in actor.build(known).reads


def flattered(method: str, params: Mapping[str, Any]) -> list[str]:
    """What is to be said of a search of such a method, if it is one."""
    text = (
        f"{method} reads the validation pictures that its trials are judged on, which flatters dVA and "
        "discernibility, searched and confirmed; report and attacks judge it on test pictures"
    )
    return [text] if reads_judge(method, params) else []
