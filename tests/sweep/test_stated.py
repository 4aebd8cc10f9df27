"""What studies say of themselves against declared types: from a journal or a database of anybody."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from cli_kit import call
from sweep_kit import Formula, order, question, store

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.typed import Mistyped
from deepunlearn_cli.store import Store
from deepunlearn_cli.sweep import search
from deepunlearn_cli.sweep.presence import Presence
from deepunlearn_cli.sweep.stated import check_study
from deepunlearn_cli.sweep.study import TIMED_OUT
from deepunlearn_cli.sweep.travel import bring

GONE = object()


@pytest.fixture
def searched(tmp_path) -> tuple[Store, Path]:
    """A store with two studies, and the journal of one."""
    at = store(tmp_path)
    search(order(at, question("ft"), question("msg"), wanted=2), 1, Formula(at), lambda _: None)
    return at, next(at.studies.glob("ft-*.journal"))


def rewritten(journal: Path, name: str, value: object) -> None:
    """The journal with another value for an attribute, of the study or of its trials."""
    lines = []
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        if name in entry.get("user_attr", {}):
            if value is GONE:
                continue
            entry["user_attr"][name] = value
        lines.append(json.dumps(entry) + "\n")
    journal.write_text("".join(lines))


HOSTILE = [
    ("space", GONE, "space = None is not a table"),
    ("space", {"revision": 1, "domains": {"lr": {"low": "x"}}}, "space.domains.lr.low = 'x' is not a number"),
    ("study", "../../evil", "study = '../../evil' is not the name of a study"),
    ("method", ["ft"], "method = [...] is not a text"),
    ("defaults", 5, "defaults = 5 is not a table"),
    ("early_stop", "x", "early_stop = 'x' is not a number or nothing"),
    ("originals", "abc", "originals = 'abc' is not a list"),
    ("losses", [0.1, "x", 0.1, 0.1], "losses[1] = 'x' is not a number"),
    ("losses", [0.1], "losses = [...] is not four losses"),
    ("losses", [math.nan] * 4, "losses[0] = nan is not a number"),
    ("losses", GONE, "losses = None is not there, as it is complete"),
    ("runs", 5, "runs = 5 is not a list of texts"),
    ("seconds", {"a": 1}, "seconds = {...} is not a number"),
    ("work", -1, "work = -1 is not a number from 0 up"),
]


@pytest.mark.parametrize(("name", "value", "says"), HOSTILE)
def test_a_study_that_says_something_else_is_told_and_stops_no_other(searched, name, value, says):
    at, journal = searched
    rewritten(journal, name, value)
    here = ("--store", at.root)
    said = call("sweep", "list", *here)
    assert (said.code, says in said.err) == (0, True), said
    assert ("left out: study" in said.err, "msg-" in said.out, "ft-" in said.out) == (True, True, False)
    said = call("report", "--table", "sweep", *here)
    assert (said.code, says in said.err, "left out: study" in said.err) == (0, True, True), said
    assert "unexpected" not in call("sweep", "show", journal.stem, *here).err


@pytest.mark.parametrize(("name", "value", "says"), HOSTILE[1:])
def test_such_a_study_is_neither_gone_on_with_nor_brought(searched, tmp_path, name, value, says):
    at, journal = searched
    rewritten(journal, name, value)
    with pytest.raises(UsageFailure) as caught:
        bring(journal.stem, journal.read_text(), tmp_path / "elsewhere")
    assert says in caught.value.message
    assert [*(tmp_path / "elsewhere").glob("*.journal")] == []
    barred: dict[str, Any] = {}
    assert order(at, question("ft")).open(Presence(None), barred) == []
    assert says in barred[journal.stem].message


def test_a_study_cut_off_as_it_began_is_begun_again(searched):
    at, journal = searched
    lines = journal.read_text().splitlines(keepends=True)
    cut = next(n for n, line in enumerate(lines) if '"space"' in line)
    journal.write_text("".join(lines[:cut]))
    said: Any = call("sweep", "list", "--store", at.root)
    assert (said.code, "unexpected" in said.err) == (0, False), said
    search(order(at, question("ft"), wanted=2), 1, Formula(at), lambda _: None)
    assert journal.stem in call("sweep", "list", "--store", at.root).out


def test_what_ended_a_study_is_a_number_of_seconds():
    said = {"method": "ft", "space": {"revision": 1, "domains": {}}, "fixed": {}, "defaults": {}}
    check_study("ft-1", said | {TIMED_OUT: 40.0}, [])
    with pytest.raises(Mistyped, match=r"timed_out = 'x' is not a number"):
        check_study("ft-1", said | {TIMED_OUT: "x"}, [])
