"""The edge: what goes to stdout (data), what to stderr (people), in which form."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.placed import placed
from deepunlearn_cli.core.errors import ExitCode, Failure
from deepunlearn_cli.core.names import in_json, printable
from deepunlearn_cli.reporting.formats import render

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from deepunlearn_cli.reporting.table import Table

PIPE_WIDTH = 100  # columns of a table where there is no terminal to ask
LINE = "\n"  # what may stand in a note or a cell
PAGE_WIDTH = 100  # columns of a page of text: longer lines are hard to read


@dataclass
class Result:
    """What a command has to show: printed once, at the edge.

    `tables` are shown on a terminal; a pipe gets `ids` instead where the command gives any, else tables as
    tab-separated lines, with their notes on stderr. `--json` prints every row of every table as one object
    per line. `text` is printed as it is. `markdown` is a page to read: laid out in a pager on a terminal, as
    it is in a pipe. `annotations` are for the machine that runs a CI job, which reads stderr too.
    """

    tables: Sequence[Table] = ()
    ids: Sequence[str] | None = None
    text: str = ""
    markdown: str = ""
    notes: Sequence[str] = ()
    annotations: Sequence[str] = ()
    code: ExitCode = ExitCode.OK


@dataclass(frozen=True)
class Console:
    """Two streams and how to speak on them.

    Attributes:
        store: the one that the call names, if it does: commands that are told name it too.
    """

    json: bool = False
    quiet: bool = False
    store: Path | None = None

    @property
    def interactive(self) -> bool:
        """Whether a person reads stdout as it comes."""
        return sys.stdout.isatty() and not self.json

    def show(self, result: Result) -> None:
        """Print a result: data to stdout, notes to stderr."""
        if result.text:
            sys.stdout.write(result.text if result.text.endswith("\n") else result.text + "\n")
        elif self.json:
            for table in result.tables:
                lines = render(table, "jsonl")
                sys.stdout.write(_lines(in_json(lines, sys.stdout.encoding or "ascii")))
        elif result.markdown:
            self._page(result.markdown)
        elif self.interactive:
            self._pretty(result.tables)
        elif result.ids is not None:
            sys.stdout.write("".join(f"{run_id}\n" for run_id in result.ids))
        else:
            sys.stdout.write("\n".join(_lines(render(table, "tsv")) for table in result.tables))
            self._notes(result.tables)
        sys.stdout.flush()
        sys.stderr.write("".join(f"{line}\n" for line in result.annotations))
        for note in result.notes:
            self.note(note)

    def _notes(self, tables: Sequence[Table]) -> None:
        """What must be known of tables and has no place among tab-separated lines."""
        for table in tables:
            for note in table.notes:
                self.note(note)

    def _page(self, markdown: str) -> None:
        if not self.interactive:
            sys.stdout.write(_lines(markdown))
            return
        from rich.markdown import Markdown

        os.environ.setdefault("LESS", "-FRX")  # as git has it: colours, and no pager for less than a screen
        reader = stdout(most=PAGE_WIDTH)
        with reader.pager(styles=True):
            reader.print(Markdown(markdown, code_theme="ansi_dark"))

    def note(self, text: str) -> None:
        """A line for people, on stderr, unless they asked for quiet or a program is reading."""
        if not self.quiet and not self.json:
            _say(printable(placed(text, self.store)), "dim")

    def warn(self, text: str, hint: str = "") -> None:
        """A warning with its cure, on stderr; on a terminal the cure is a line to be copied, as of errors."""
        text, hint = placed(text, self.store), placed(hint, self.store)
        whole = f"{text}; {hint}" if hint else text
        if self.json:
            _emit_error({"schema": "deepunlearn.warning/1", "warning": whole})
        elif hint and stderr().is_terminal:
            _say(f"warning: {printable(text)}", "yellow")
            _hint(hint)
        else:
            _say(f"warning: {printable(whole)}", "yellow")

    def fail(self, failure: Failure) -> None:
        """One line with what and which value, one with the cure; a JSON object where JSON was asked for."""
        message, hint = (placed(text, self.store) for text in (failure.message, failure.hint))
        if self.json:
            report = {"error": message, "hint": hint, "code": int(failure.code)}
            _emit_error({"schema": "deepunlearn.error/1", **report})
            return
        _say(f"error: {printable(message)}", "bold red")
        if hint:
            _hint(hint)

    def _pretty(self, tables: Sequence[Table]) -> None:
        screen = stdout()
        for number, one in enumerate(tables):
            table = replace(one, notes=[placed(note, self.store) for note in one.notes])
            lines = [("", "")] if number else []
            for text, style in [*lines, *page_of(table, screen.width)]:
                screen.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def stdout(most: int | None = None) -> RichConsole:
    """Rich on stdout, as wide as the terminal, or at most so many columns."""
    from rich.console import Console as RichConsole

    width = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
    return RichConsole(width=min(width, most or width), emoji=False)


def stderr() -> RichConsole:
    """Rich on stderr."""
    from rich.console import Console as RichConsole

    return RichConsole(stderr=True, emoji=False)  # `./mine.py:x:` is what it says


def _say(text: str, style: str) -> None:
    """Something for people on stderr, on a terminal in lines broken between words."""
    screen = stderr()
    if screen.is_terminal:
        from deepunlearn_cli.cli.wrapping import prose

        text = LINE.join(prose(text, screen.width))
    screen.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def _hint(text: str) -> None:
    """A cure in one line, which a terminal breaks where it must: what is copied from there is whole."""
    stderr().print(f"hint: {printable(text)}", markup=False, highlight=False, soft_wrap=True)


def _lines(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _emit_error(report: Mapping[str, Any]) -> None:
    sys.stderr.write(json.dumps(report) + "\n")


def page_of(table: Table, width: int) -> Iterator[tuple[str, str]]:
    """A table's lines with their styles: title, pieces, notes."""
    from deepunlearn_cli.cli.fitting import fitted
    from deepunlearn_cli.cli.wrapping import prose, wrapped

    for line in wrapped(printable(table.title), width) if table.title else ():
        yield line, "bold"
    pieces, notes = fitted(table, width)
    for head, rule, *body in pieces:
        yield "", ""
        if rule:
            yield head, "bold"
            yield rule, ""
        for line in body:
            yield line, ""
    yield "", ""
    for note in notes:
        for line in prose(printable(note, keep=LINE), width):
            yield line, "dim"
