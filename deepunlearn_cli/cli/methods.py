"""`deepunlearn methods`: what there is to choose from, and what can be set."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.options import complete_methods
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.tables.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.fields import Declared


@register(app, "methods", "deepunlearn methods", "deepunlearn methods msg", "deepunlearn methods --json")
def methods(
    session: Session,
    name: Annotated[str | None, argument(help="A method.", autocompletion=complete_methods)] = None,
) -> Result:
    """List the methods, or show one with its hyperparameters."""
    from deepunlearn_cli.methods import METHODS

    if name:
        method = METHODS.get(name)
        return Result(tables=[field_table(method, f"{method.title} ({method.paper})")])
    return Result(tables=[method_table()])


def method_table() -> Table:
    """Every method: name, title, what data it reads, where it comes from."""
    from deepunlearn_cli.methods import METHODS

    rows = []
    for name in METHODS.names():
        method = METHODS.get(name)
        facts = {"title": method.title, "aliases": list(method.aliases), "needs": list(method.needs)}
        summary = (inspect.getdoc(method) or "").splitlines()[0]
        rows.append({"name": name, **facts, "paper": method.paper, "summary": summary})
    columns = [
        Column("name", lambda row: ", ".join([row["name"], *row["aliases"]])),
        Column("title", lambda row: str(row["title"])),
        Column("reads", lambda row: ", ".join(row["needs"]) or "nothing"),
        Column("what it does", lambda row: str(row["summary"])),
    ]
    return Table("deepunlearn.method/1", "", columns, rows)


def field_table(cls: type[Declared], title: str) -> Table:
    """The declared hyperparameters of a class."""
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "default": domain.default,
            "accepts": domain.describe(),
            "search": domain.space(),
            "help": domain.help,
        }
        for name, domain in cls.domains().items()
    ]
    columns = [
        Column("-p name", lambda row: str(row["name"])),
        Column("default", lambda row: str(row["default"]), right=True),
        Column("accepts", lambda row: str(row["accepts"])),
        Column("sweep", lambda row: str(row["search"])),
        Column("meaning", lambda row: str(row["help"])),
    ]
    paragraphs = (inspect.getdoc(cls) or "").split("\n\n")
    notes = [" ".join(paragraph.split()) for paragraph in paragraphs]
    return Table("deepunlearn.hyperparameter/1", title, columns, rows, notes)
