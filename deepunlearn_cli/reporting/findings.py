"""What a build must know of tables: annotations for GitHub Actions, and a JUnit report.

GitHub: docs.github.com, workflow commands, `::error title=...::message`. JUnit: the format that CI servers
take, in which `error` is a test that came to no answer, `failure` one that was answered by no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape  # for XML as well; xml.sax would load urllib, http and email at every start

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.reporting.table import FAILED, OPEN, PASSED, Finding, Row, Table

LEVELS = {FAILED: "error", OPEN: "warning", PASSED: "notice"}
ENCODED = {"%": "%25", "\r": "%0D", "\n": "%0A"}
OF_PROPERTIES = {**ENCODED, ":": "%3A", ",": "%2C"}


def findings(table: Table) -> list[tuple[Row, Finding]]:
    """The rows that say whether something holds, with what they say."""
    judged = ((row, table.judge(row)) for row in table.rows) if table.judge else ()
    return [(row, one) for row, one in judged if one]


def log_lines(tables: Sequence[Table]) -> list[str]:
    """A line per finding, as a job's log shows it at the top."""
    return [
        f"::{LEVELS[one.outcome]} title={_encoded(f'{_suite(table)}: {one.title}', OF_PROPERTIES)}::"
        f"{_encoded(one.text, ENCODED)}"
        for table in tables
        for _, one in findings(table)
        if one.told
    ]


def listed(table: Table) -> str:
    """The findings of a table as a list in markdown."""
    return "\n".join(f"- {printable(one.text)}" for _, one in findings(table) if one.told)


def junit(tables: Sequence[Table]) -> str:
    """A suite per table with findings, a test per finding, with the figures of its row.

    Raises:
        UsageFailure: no row says whether anything holds: a report without a test passes for none.
    """
    suites = [_suite_of(table, tests) for table in tables if (tests := findings(table))]
    if not suites:
        raise UsageFailure("--format junit: there is nothing to pass or fail here", "--format json, say")
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", *suites, "</testsuites>"])


def _suite_of(table: Table, tests: Sequence[tuple[Row, Finding]]) -> str:
    counts = {word: sum(one.outcome == word for _, one in tests) for word in LEVELS}
    numbers = f'tests="{len(tests)}" failures="{counts[FAILED]}" errors="{counts[OPEN]}" skipped="0"'
    cases = [line for row, one in tests for line in _case(table, row, one)]
    return "\n".join([f"<testsuite name={_quoted(_suite(table))} {numbers}>", *cases, "</testsuite>"])


def _case(table: Table, row: Row, one: Finding) -> Iterator[str]:
    place = ".".join(filter(None, (key.text(row) for key in table.keys)))
    name = f"{_suite(table)}.{place}" if place else _suite(table)
    yield f"<testcase classname={_quoted(name)} name={_quoted(one.title)}>"
    if one.outcome != PASSED:
        tag = "failure" if one.outcome == FAILED else "error"
        yield f"<{tag} message={_quoted(one.text)}></{tag}>"
    told = [f"{' '.join(column.header.split())}: {column.text(row)}" for column in table.columns]
    yield f"<system-out>{escape(printable('; '.join([one.text, *told])), quote=False)}</system-out>"
    yield "</testcase>"


def _suite(table: Table) -> str:
    """`deepunlearn.umia`, of a schema."""
    return table.name.partition("/")[0]


def _quoted(text: str) -> str:
    return f'"{escape(printable(text))}"'


def _encoded(text: str, signs: dict[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in printable(text, keep="\n"))
