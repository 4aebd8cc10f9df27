"""The guide: one Markdown file per topic, which reads on a code host and in a terminal.

A page begins with its title (`# Title`); its first paragraph is the sentence that lists show.

May import: `core`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deepunlearn_cli.core.errors import unknown

FOLDER = Path(__file__).parent
SUFFIX = ".md"


@dataclass(frozen=True)
class Page:
    """A page of the guide: its topic (the file's name), and its whole text with the title."""

    topic: str
    text: str

    @property
    def title(self) -> str:
        """What the first line says."""
        return self.text.partition("\n")[0].removeprefix("# ").strip()

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        paragraphs = self.text.split("\n\n", maxsplit=2)
        return " ".join(paragraphs[1].split()) if len(paragraphs) > 1 else ""


def topics() -> list[str]:
    """The names of all pages, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def page(topic: str) -> Page:
    """The page of a topic, or of the only one that begins so.

    Raises:
        NotFound: no topic or more than one, with suggestions.
    """
    known = topics()
    wanted = topic.strip().lower().replace(" ", "-").removesuffix(SUFFIX)
    begun = [wanted] if wanted in known else [name for name in known if wanted and name.startswith(wanted)]
    if len(begun) != 1:
        hint = f"{', '.join(begun)} begin so" if begun else "`deepunlearn guide` lists them all"
        raise unknown("topic", topic, known, hint)
    return Page(begun[0], (FOLDER / f"{begun[0]}{SUFFIX}").read_text("utf-8"))
