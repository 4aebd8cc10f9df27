"""`deepunlearn guide`: the pages of the guide, in the terminal."""

from __future__ import annotations

from typing import Annotated

from deepunlearn_cli import guide as pages
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import argument
from deepunlearn_cli.reporting.table import Column, Table

HINT = "a page: `deepunlearn guide TOPIC`"


def _topics(incomplete: str) -> list[str]:
    return [topic for topic in pages.topics() if topic.startswith(incomplete)]


@register(
    app,
    "guide",
    "deepunlearn guide",
    "deepunlearn guide words",
    "PAGER=cat deepunlearn guide words     # without a pager",
    "deepunlearn guide words > words.md    # as Markdown",
)
def guide(
    session: Session,
    topic: Annotated[
        str | None,
        argument(
            metavar="TOPIC", help="A page, or how its name begins; none lists them.", autocompletion=_topics
        ),
    ] = None,
) -> Result:
    """Read the guide: list its pages, or show one."""
    return _page(pages.page(topic)) if topic else Result(tables=[_contents()], notes=[HINT])


def _contents() -> Table:
    rows = [
        {"topic": one.topic, "title": one.title, "summary": one.summary}
        for one in map(pages.page, pages.topics())
    ]
    columns = [
        Column("topic", lambda row: str(row["topic"])),
        Column("what it tells", lambda row: str(row["summary"])),
    ]
    return Table("deepunlearn.guide/1", "", columns, rows)


def _page(page: pages.Page) -> Result:
    whole = {"topic": page.topic, "title": page.title, "text": page.text}
    return Result(tables=[Table("deepunlearn.guide-page/1", "", [], [whole])], markdown=page.text)
