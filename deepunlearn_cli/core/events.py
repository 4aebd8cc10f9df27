"""What a store's ledger tells of: the events of deletion requests, and the policies that they are held to."""

from __future__ import annotations

POLICY = "policy"  # the one event that belongs to no request
RECEIVED, UNLEARNED, AUDITED, CERTIFIED, PURGED = STATES = (
    "received", "unlearned", "audited", "certified", "purged",
)  # fmt: skip
EVENTS = (POLICY, *STATES)
