"""Which code makes a model of the user's: a hash of its source, so that a key knows what it is of."""

from __future__ import annotations

import hashlib

from deepunlearn_cli.core.source import gathered, of_the_user


def source_hash(module: str) -> str | None:
    """SHA-256 (hex) over the source of a module and of all modules of the user's that it imports.

    Those that are installed or come with Python are not of the user's. None where there is no such module.
    """
    files = gathered(module, lambda _name, spec: of_the_user(spec))
    if not files:
        return None
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return digest.hexdigest()
