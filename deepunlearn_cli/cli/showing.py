"""Tables in a format or a file, and what a CI job is told of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.tables import TERMINAL, FormatOption, OutOption, chosen_format, written
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.reporting.formats import GITHUB, render_all

if TYPE_CHECKING:
    from deepunlearn_cli.reporting.table import Table

SUMMARY = "GITHUB_STEP_SUMMARY"  # where GitHub Actions keeps the name of a job's page


class Showing(Bundle):
    """How a command's tables are shown."""

    format: FormatOption = TERMINAL
    out: OutOption = None

    @property
    def chosen(self) -> str | None:
        """The format, None for a terminal's table.

        Raises:
            UsageFailure: no such format.
        """
        return chosen_format(self.format, self.out)

    def check(self) -> None:
        """Refuse a format that there is not, before any work; raises as `chosen`."""
        _ = self.chosen

    def shown(self, result: Result, *, ids: bool = True) -> Result:
        """The result with its tables as asked for; without `ids` a pipe gets the tables.

        Raises:
            UsageFailure: no such format, or the file cannot be written.
        """
        if self.chosen is None:
            return result if ids else replace(result, ids=None)
        made = _printed(result.tables, self.chosen, self.out)
        return replace(made, code=result.code, notes=[*result.notes, *made.notes])


def _printed(tables: Sequence[Table], chosen: str, out: Path | None) -> Result:
    """Tables as text in one of the formats, or in a file."""
    text = render_all(tables, chosen)
    if chosen != GITHUB:
        return written(text, out)
    from deepunlearn_cli.reporting.findings import log_lines

    told = log_lines(tables)
    page = os.environ.get(SUMMARY)
    if out or not page or _is_stdout(page):
        return replace(written(text, out), annotations=told)
    _append(Path(page), text)
    return Result(text="\n".join(told), notes=[f"wrote the job's summary (${SUMMARY})"])


def _is_stdout(page: str) -> bool:
    """Whether stdout goes there anyway (`>> $GITHUB_STEP_SUMMARY`)."""
    with suppress(OSError, ValueError):
        return os.path.samestat(os.fstat(sys.stdout.fileno()), Path(page).stat())
    return False


def _append(page: Path, text: str) -> None:
    try:
        with page.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{text}\n\n")
    except OSError as error:
        raise UsageFailure(f"cannot write ${SUMMARY} ({page}): {error.strerror}", "--out FILE") from None
