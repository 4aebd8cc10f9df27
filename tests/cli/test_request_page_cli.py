"""`report RUN --format html`: the page of a deletion, gathered from a store and its ledger."""

from __future__ import annotations

import pytest
from cli_kit import TRAIN, call, ok, refused


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A store with a request that was carried out and audited: its folder, the original, the unlearned."""
    store = tmp_path_factory.mktemp("page") / "store"
    at = ("--store", store, "-q")
    original = ok(*TRAIN, "--forget", "random:0.1", *at).out.strip()
    ok("unlearn", original, "--method", "retrain", *at)
    words = ("unlearn", original, "--method", "ft", "-p", "epochs=1", "--request", "DSR-1")
    run = ok(*words, "--received", "2026-01-02", *at).out.strip()
    call("attack", "umia", run, "--tolerance", "0.3", *at)
    return store, original, run


def test_the_page_says_what_the_ledger_and_the_store_know(asked):
    store, original, run = asked
    page = ok("report", run, "--store", store, "--format", "html").out
    ledger = ok("requests", "--head", "--store", store).out.strip()
    wanted = ["Request DSR-1", "2026-01-02", original, run, "±0.3", "U-MIA", "retrained", "95 %", ledger]
    assert not [one for one in wanted if one not in page]
    assert page.count("<section>") == 7
    assert page == ok("report", run, "--store", store, "--format", "html").out


def test_a_file_may_take_it(asked, tmp_path):
    store, _, run = asked
    file = tmp_path / "request.html"
    ok("report", run, "--store", store, "--out", file)
    assert file.read_text().startswith("<!doctype html>")


def test_a_run_that_nobody_asked_for_says_so(asked):
    store, original, _ = asked
    run = ok("unlearn", original, "--method", "ga", "--store", store, "-q").out.strip()
    page = ok("report", run, "--store", store, "--format", "html").out
    assert "Deletion without a request on record" in page
    assert f"deepunlearn attack umia {run}" in page


def test_what_has_forgotten_nothing_has_no_page(asked):
    store, original, run = asked
    refused("report", original, "--store", store, "--format", "html", code=2, says=("forgotten nothing",))
    refused("report", run, run, "--store", store, "--format", "html", code=2, says=("a page is of one run",))
