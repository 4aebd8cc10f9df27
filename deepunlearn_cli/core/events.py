"""What may befall a request, as ledgers name it; in their order, the states that a request goes through."""

from __future__ import annotations

POLICY = "policy"  # the one event that belongs to no request
RECEIVED, UNLEARNED, AUDITED, CERTIFIED, PURGED = STATES = (
    "received", "unlearned", "audited", "certified", "purged",
)  # fmt: skip
EVENTS = (POLICY, *STATES)
