"""`deepunlearn methods`: what there is to choose from, and what can be set."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import installed
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.options import complete_methods
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.core.plugins import blamed
from deepunlearn_cli.reporting.table import Column, Table

if TYPE_CHECKING:
    from deepunlearn_cli.core.fields import Declared
    from deepunlearn_cli.methods import Method

UNKNOWN: dict[str, Any] = {
    "title": "", "aliases": [], "needs": [], "touches": "", "cost": None, "paper": "", "summary": "",
}  # fmt: skip
COST = "epochs: work of the defaults in epochs of training, with a tenth of CIFAR-10 to forget"


@register(app, "methods", "deepunlearn methods", "deepunlearn methods msg", "deepunlearn methods ./mine.py")
def methods(
    session: Session,
    name: Annotated[
        str | None, argument(metavar="NAME", help="A method, of yours too.", autocompletion=complete_methods)
    ] = None,
) -> Result:
    """List the methods, or show one with its hyperparameters."""
    from deepunlearn_cli.methods import METHODS

    if name:
        kind = METHODS.get(name)
        with blamed(kind):
            return Result(tables=[card(kind)])
    return Result(tables=[method_table()])


def method_table() -> Table:
    """Every method: what data it reads, what it costs, what it does; JSON has its title and paper too.

    Those of installed packages are loaded for this, as for nothing else that does not name them.
    """
    from deepunlearn_cli.methods import METHODS

    rows = installed.rows_of(METHODS, facts_of, UNKNOWN)
    columns = [
        Column("name", lambda row: str(row["name"])),
        Column("reads", lambda row: ", ".join(row["needs"]) or ("" if row["fault"] else "nothing")),
        Column("epochs", lambda row: "" if row["fault"] else f"{row['cost']:.1f}", right=True),
        Column("what it does", lambda row: str(row["fault"] or row["summary"])),
    ]
    notes = [COST, *installed.notes(METHODS)]
    return Table("deepunlearn.method/1", "", installed.columns(columns, rows), rows, notes)


def facts_of(method: type[Method]) -> dict[str, Any]:
    """What a method says about itself and its defaults, as plain data."""
    return {
        "title": method.title,
        "aliases": list(method.aliases),
        "needs": list(method.needs),
        "touches": method.touches,
        "cost": method().cost(),
        "paper": method.paper,
        "guarantee": promise.facts() if (promise := method().guarantee()) else None,
        "summary": summary_of(method),
    }


def summary_of(kind: type) -> str:
    """The first line of a class's documentation."""
    return next(iter((inspect.getdoc(kind) or "").splitlines()), "")


def card(method: type[Method]) -> Table:
    """A method's hyperparameters, how it works, what it reads, touches and costs."""
    table = field_table(method, f"{method.title} ({method.paper})")
    reads, cost = ", ".join(method.needs) or "nothing", method().cost()
    traits = f"reads: {reads}; touches: {method.touches}; costs {cost:.1f} epochs of training"
    promise = method().guarantee()
    proved = [promise.said()] if promise else []
    whole = [f"{traits} with these settings ({COST})", *proved, *installed.origin_note(method)]
    return replace(table, notes=[*table.notes, *whole])


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
