"""Addresses of storages as people may see them: whatever may be a password is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

SHORTEST = 3  # characters of a password that can be cut out of a text and leave it readable
GONE = "***"


def shown(address: str) -> str:
    """The address without its password and without the values of its query, well-formed or not."""
    user, at, place = address.rpartition("@")
    scheme, slashes, name = user.partition("://")
    person = f"{scheme}://{name.partition(':')[0]}" if slashes else user.partition(":")[0]
    return re.sub(r"=[^&]*", "=...", f"{person}@{place}" if at else address)


def scrubbed(text: str, address: str) -> str:
    """What a library says of an address, without the secrets in it; nothing where that cannot be told."""
    text = text.replace(address, shown(address))
    secrets = sorted(set(_secrets(address)), key=len, reverse=True)
    if any(len(secret) < SHORTEST and secret in text for secret in secrets):
        return ""
    for secret in secrets:
        text = text.replace(secret, GONE)
    return text


def _secrets(address: str) -> Iterator[str]:
    """All that stands where a password may stand, as it is written and as it is meant."""
    user, at, place = address.rpartition("@")
    words = [user.partition("://")[2].partition(":")[2] or user.partition(":")[2]] if at else []
    words += re.findall(r"=([^&]*)", place.partition("?")[2])
    for word in words:
        yield from filter(None, (word, unquote(word), unquote_plus(word)))
        # a library that takes a sign in it for an end shows the rest
        yield from (part for part in re.split("[:@/?#&]", word) if len(part) >= SHORTEST)
