"""A statement made up for tests of what is done with one."""

from __future__ import annotations

from deepunlearn_cli.evidence import keys, statement
from deepunlearn_cli.evidence.commitment import commit

HASH = "ab" * 32
SALT = bytes(range(32))
PICTURES = [bytes([number]) * 32 for number in range(5)]


def row(**changes):
    """An audit as `attack umia --json` prints it, which meets any policy."""
    return {
        "id": "not for others", "target": "nor this", "forget": "nor this hash", "forget_label": "class:3",
        "verdict": "PASS", "by_figures": "PASS", "do_nothing": "FAIL", "uninformative": False,
        "reference": "retrained", "tolerance": 0.05, "fail_above": None, "n_forget": 400, "n_unseen": 500,
        "gap": 0.0123456789, "figures": [], "needed": 321, "claim": None,
    } | changes  # fmt: skip


def predicate(key, **changes) -> statement.Predicate:
    public = key.public_key()
    root = commit(SALT, PICTURES).root.hex()
    return {
        "says": statement.SAYS,
        "issued": "2026-11-27T10:00:00Z",
        "request": {"id": "DSR-1", "received": "2026-11-01", "events": [{"event": "received", "at": "2026-11-01T00:00:00Z"}]},
        "signer": {"id": keys.key_id(public), "public_key": keys.public_pem(public)},
        "tool": {"deepunlearn": "0.3", "torch": "2.11", "device": "cpu", "threads": 1},
        "before": {"tensors": HASH, "made": "here", "model": "resnet-tiny"},
        "method": {"name": "salun", "title": "SalUn", "exact": False, "revision": 2, "params": {"lr": 0.0123456789}},
        "earlier": [],
        "tensors": "how",
        "keyed": {"run": HASH, "forget": HASH, "data": HASH},
        "commitment": {"scheme": "how", "root": root, "size": len(PICTURES)},
        "audits": {"umia": statement.answer_of(row())},
        "accuracy": {"before": {"TA": 0.9}, "after": {"TA": 0.88}, "retrained": {}, "lost": {"TA": 0.02}},
        "policy": {"sha256": HASH, "name": "A policy", "expires": "2099-01-01", "number": 1, "at": "2026-11-01T00:00:00Z"},
        "ledger": {"number": 4, "head": HASH},
        "previous": None,
        "limitations": list(statement.LIMITATIONS),
    } | changes  # fmt: skip


SUBJECT = [
    {"name": "clean.pt", "digest": {"sha256": HASH}},
    {"name": "tensors", "digest": {"sha256": "cd" * 32}},
]


def signed(key, **changes):
    return keys.sign(statement.stated(SUBJECT, predicate(key, **changes)), key)
