"""Whether an audit meets its policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepunlearn_cli.evidence.failures import DoesNotHold, NotSettled
from deepunlearn_cli.evidence.policy import Policy

HINT = "deepunlearn guide evidence says what a policy asks"
SMALL = "a certificate of so few pictures would say next to nothing; retraining needs no audit to be exact"


def check_audit(policy: Policy, attack: str, row: Mapping[str, Any], *, exact: bool) -> None:
    """Hold one audit (as `deepunlearn attack NAME --json` prints it) against a policy.

    A model that was trained anew (`exact`) is its own control, and has no model before to be told from.

    Raises:
        DoesNotHold: its verdict is FAIL.
        NotSettled: it is INCONCLUSIVE or uninformative, has no retrained control, or too few pictures.
    """
    about = f"{attack}, within {row['tolerance']:g}"
    if row["verdict"] == "FAIL":
        raise DoesNotHold(f"{about}: FAIL, and the policy asks for PASS", "another method, or retrain")
    if row["verdict"] != "PASS":
        raise NotSettled(f"{about}: {row['verdict']}, and the policy asks for PASS", _needed(row))
    if not (exact or policy.accept_uninformative or row["do_nothing"] in ("FAIL", "INCONCLUSIVE")):
        said = "would get PASS too" if row["do_nothing"] else "is not known to fare worse"
        raise NotSettled(f"{about}: doing nothing {said}", "a sharper attack or more pictures; " + HINT)
    if policy.retrained and not exact and row["reference"] != "retrained":
        raise NotSettled(
            f"{about}: there is no retrained control, and the policy asks for one",
            "deepunlearn unlearn --method retrain --ckpt REF makes it; then audit again",
        )
    for side in ("forget", "unseen"):
        if (found := row[f"n_{side}"]) < (asked := getattr(policy, side)):
            raise NotSettled(f"{attack}: {found} {side} pictures, and the policy asks for {asked}", SMALL)


def check_earlier(attack: str, row: Mapping[str, Any]) -> None:
    """See that what an earlier request forgot stays forgotten, as far as an audit tells.

    Raises:
        DoesNotHold: its verdict is FAIL. Few pictures leave it open, and stop no later certificate.
    """
    if row["verdict"] == "FAIL":
        raise DoesNotHold(
            f"{attack}, within {row['tolerance']:g}: FAIL, of pictures that an earlier request forgot",
            "another method, or retrain",
        )


def check_accuracy(policy: Policy, lost: Mapping[str, float]) -> None:
    """Hold what was lost of each accuracy against a policy.

    Raises:
        DoesNotHold: more than it allows.
        NotSettled: it is not known.
    """
    for name, most in policy.lost.items():
        if name not in lost:
            raise NotSettled(f"how much {name} was lost is not known, and the policy asks", HINT)
        if lost[name] > most:
            raise DoesNotHold(
                f"{100 * lost[name]:.1f} points of {name} were lost, and the policy allows {100 * most:.1f}",
                "another method, or retrain",
            )


def _needed(row: Mapping[str, Any]) -> str:
    if needed := row.get("needed"):
        return f"about {needed:,} forgotten pictures would settle it; or a wider margin, set before the audit"
    return HINT
