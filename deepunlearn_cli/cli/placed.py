"""Commands within what is said, each with the store of the call that says it: they run as printed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from shlex import quote

from deepunlearn_cli.cli.shelf import COMMANDS

STORELESS = frozenset({"methods", "check", "attacks", "datasets", "models", "guide"})
BELOW = {"attack": r"[a-z]\S*", "certify": "keygen|policy|prove|verify", "store": "diff|merge|share"}
BELOW |= {"sweep": "list|show|rm"}


def placed(text: str, store: Path | None) -> str:
    """A text whose commands of this program name a store, unless they do already; None: nobody named one.

    A command ends with a line, a quotation or a semicolon; the store comes behind its name, as words of a
    sentence may follow.
    """
    if store is None or "deepunlearn " not in text:
        return text
    named = f" --store {quote(str(store))}"
    return _commands().sub(lambda found: found[0] + named, text)


@cache
def _commands() -> re.Pattern[str]:
    plain = "|".join(sorted(COMMANDS.keys() - STORELESS - BELOW.keys()))
    nested = "|".join(f"{name}(?: (?:{below})(?![^\\s`]))?" for name, below in BELOW.items())
    return re.compile(rf"\bdeepunlearn (?:{plain}|{nested})(?![^\s`])(?![^`;\n]*--store)")
