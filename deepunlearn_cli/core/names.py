"""Names from outside (files, classes, presets, tensors) as they may be printed: nothing in them acts."""

from __future__ import annotations

import unicodedata

ACTING = ("Cc", "Cf", "Cs", "Zl", "Zp")  # Unicode: control, format (direction too), no text, ends of lines
JOINERS = "\u200c\u200d"  # that scripts and emoji are written with


def printable(text: str, keep: str = "") -> str:
    """A text with what a terminal would act on escaped, and bytes that are no text as hex.

    Args:
        keep: characters that stay, as line ends of a page.
    """
    if text.isprintable() and text.isascii():
        return text
    return "".join(one if one in keep else _escaped(one) for one in text)


def _escaped(one: str) -> str:
    if unicodedata.category(one) not in ACTING or one in JOINERS:
        return one
    if "\udc80" <= one <= "\udcff":  # a byte that is no text, as `os.fsdecode` has it
        return f"\\x{ord(one) - 0xDC00:02x}"
    return one.encode("unicode_escape", "surrogatepass").decode("ascii")
