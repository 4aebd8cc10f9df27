"""Names from outside (files, classes, presets, tensors) as they may be printed: nothing in them acts."""

from __future__ import annotations

import json
import re
import unicodedata

ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode: control, format (direction too), no text, ends of lines
FORMULA = re.compile("'*[=+@-]")  # what a spreadsheet runs, whatever guards stand before it
DELETE = "\x7f"  # the one that JSON leaves as it is
JOINERS = "\u200c\u200d"  # that scripts and emoji are written with


def printable(text: str, keep: str = "") -> str:
    """A text with what a terminal would act on escaped, and bytes that are no text as hex.

    Args:
        keep: characters that stay, as line ends of a page.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(one if one in keep else _escaped(one) for one in text)


def in_json(text: str, encoding: str = "utf-8") -> str:
    """A line of JSON with what acts, or what an encoding lacks, as JSON's own escapes: it reads the same."""
    if text.isascii() and DELETE not in text:
        return text
    return "".join(_json_escape(one) if _acts(one) or not _within(one, encoding) else one for one in text)


def encoded(text: str) -> bytes:
    """A text's bytes: of a path those that it has on disk, whatever they are; never an error.

    Half of a surrogate pair, which JSON can name and no path has, is encoded as what it is.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def guarded(text: str) -> str:
    """A text that no spreadsheet takes for a formula: CSV can only say so by a quote before it."""
    return f"'{text}" if FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _acts(one: str) -> bool:
    return unicodedata.category(one) in ACTING and one not in JOINERS and (one == DELETE or not one.isascii())


def _json_escape(one: str) -> str:
    return "\\u007f" if one == DELETE else json.dumps(one)[1:-1]


def _within(one: str, encoding: str) -> bool:
    try:
        return bool(one.encode(encoding))
    except UnicodeEncodeError:
        return False


def _escaped(one: str) -> str:
    if unicodedata.category(one) not in ACTING or one in JOINERS:
        return one
    if "\udc80" <= one <= "\udcff":  # a byte that is no text, as `os.fsdecode` has it
        return f"\\x{ord(one) - 0xDC00:02x}"
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")
