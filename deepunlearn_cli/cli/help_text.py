"""How help reads on a terminal of any width."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

EXAMPLE_WIDTH = 78  # columns: 80 less the margins of help
GLUE = "\N{NO-BREAK SPACE}"


def fitted(example: str) -> str:
    """An example that a narrow terminal shows as it can be typed: broken where a shell goes on."""
    if len(example) <= EXAMPLE_WIDTH:
        return example
    whole = re.sub(r"(-[\w-]+) (?=[^-|#])", rf"\1{GLUE}", example)  # an option stays with its value
    lines = textwrap.wrap(whole, EXAMPLE_WIDTH - 2, subsequent_indent="    ", break_on_hyphens=False)
    return " \\\n".join(lines).replace(GLUE, " ")


def reflowed(body: Callable[..., Any]) -> str:
    """The docstring with one line per paragraph, so that help wraps it to the terminal."""
    paragraphs = (inspect.getdoc(body) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
