"""The page of one request: from plain facts to a document that can be filed."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from deepunlearn_cli.reporting.request_page import Audit, Model, RequestFacts, request_page

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Tags that are open, links, headings, and what a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []
        self.seen = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href", "action") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.seen += data
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def figure(metric: str, verdict: str, value: float, control: float, gap: float, limit: float = 0.05):
    ends = {"gap_low": gap - 0.02, "gap_high": gap + 0.02}
    said = {"metric": metric, "verdict": verdict, "value": value, "control": control}
    return said | {"gap": gap, "limit": limit} | ends


def answer(verdict: str = "PASS", gap: float = 0.01, **changes: Any) -> dict[str, Any]:
    """An answer as `attack umia --json` prints it."""
    decided = figure("auc", verdict, 0.5 + gap, 0.5, gap)
    return {
        "verdict": verdict, "by_figures": verdict, "claim": None, "do_nothing": "FAIL", "uninformative": False,
        "do_nothing_figures": [figure("auc", "FAIL", 0.711, 0.5, 0.211)], "reference": "retrained",
        "metric": "auc", "tolerance": 0.05, "fail_above": None, "limit": 0.05, "gap": gap,
        "gap_low": gap - 0.02, "gap_high": gap + 0.02, "needed": 451, "few": False,
        "figures": [decided, figure("tpr_1", "PASS", 0.01, 0.01, 0.0, 0.025)],
        "n_forget": 123, "n_unseen": 359,
    } | changes  # fmt: skip


def facts(*answers: dict[str, Any], **changes: Any) -> RequestFacts:
    """Facts of a request that was audited so."""
    models = [
        Model(title, f"run-{title}", digit * 64, {"RA": 1.0, "FA": share, "TA": 0.9})
        for title, digit, share in (("before", "a", 1.0), ("after", "b", 0.93), ("retrained", "c", 0.92))
    ]
    known = RequestFacts(
        request="4711",
        dates=[("Received", "2026-01-02"), ("Unlearned", "2026-01-03 10:00:00 UTC")],
        forget="indices:list.txt",
        pictures=123,
        forget_sha256="d" * 64,
        data="digits, resnet-tiny, seed 0",
        method="SalUN",
        how="Random labels on salient weights.",
        exact=False,
        before=models[0],
        after=models[1],
        retrained=models[2],
        settings={"epochs": "10"},
        cost={"Took": "1.5 s"},
        ta_gap=(-0.012, -0.02, -0.004),
        audits=[Audit("U-MIA", one, "2026-01-04 10:00:00 UTC") for one in answers],
        made_by="deepunlearn 1",
    )
    return replace(known, **changes)


def read(known: RequestFacts) -> Outline:
    outline = Outline(request_page(known))
    assert not outline.open
    return outline


def test_it_has_what_an_officer_files():
    page = read(facts(answer()))
    assert page.headings == [
        "What was asked, and when", "What was done", "What an attack finds", "What it cost in accuracy",
        "What this does not show", "Hashes (SHA-256)", "Seen and filed by",
    ]  # fmt: skip
    wanted = [
        "Request 4711", "2026-01-02", "2026-01-03 10:00:00 UTC", "2026-01-04 10:00:00 UTC", "123 pictures",
        "run-before", "run-after", "SalUN", "epochs 10", "-1.2 points", "-2.0 to -0.4", "93.0 %", "92.0 %",
        *(digit * 64 for digit in "abcd"), "Signature", "+0.010 (-0.010 to +0.030)", "±0.05", "0.711",
    ]  # fmt: skip
    assert not [one for one in wanted if one not in page.seen]


def test_it_needs_nothing_else_and_is_the_same_every_time():
    known = facts(answer())
    whole = request_page(known)
    assert not read(known).links
    assert not [one for one in ("<script", "@import", "http:", "https:", "url(") if one in whole]
    assert whole == request_page(known)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (answer(), "The model before, unchanged, would not have passed: it gets FAIL."),
        (answer(do_nothing="PASS", uninformative=True), "PASS, uninformative"),
        (answer(do_nothing="PASS", uninformative=True), "could not have seen a difference"),
        (answer(do_nothing=None), "would have passed too is not known"),
        (answer("FAIL", 0.12), "too little is forgotten"),
        (answer("FAIL", -0.12), "too much is undone"),
        (answer("FAIL", 0.12), "AUC 0.620, retrained 0.500, model before 0.711: 0.120 above"),
        (answer("INCONCLUSIVE", 0.04), "about 451 forgotten pictures would settle it (there are 123)"),
        (answer("INCONCLUSIVE", 0.04), "--tolerance 0.07 would pass"),
        (
            answer("INCONCLUSIVE", 0.04, do_nothing_figures=[figure("auc", "INCONCLUSIVE", 0.54, 0.5, 0.04)]),
            "a wider limit is no answer: doing nothing could pass it as well",
        ),
        (answer("INCONCLUSIVE", few=True), "30 forgotten pictures or more"),
        (answer("FAIL", 0.12, reference="holdout"), "for want of a retrained model"),
        (answer("FAIL", 0.01, claim={"broken": True}), "guarantee of the method was found broken"),
    ],
)
def test_the_verdict_is_in_words(row, said):
    assert said in read(facts(row)).seen


def test_an_uninformative_pass_is_not_shown_as_good():
    assert 'class="verdict PASS"' in request_page(facts(answer()))
    assert 'class="verdict PASS"' not in request_page(facts(answer(do_nothing="PASS", uninformative=True)))


def test_without_an_audit_it_says_so():
    assert "deepunlearn attack umia run-after" in read(facts()).seen
    assert "trained again without these pictures" in read(facts(exact=True)).seen
    assert "What an attack finds" not in read(facts()).headings


def test_what_is_not_known_is_a_dash():
    gone = Model("before", "not in this store")
    page = read(facts(answer(), before=gone, retrained=None, ta_gap=None, request=""))
    assert "Deletion without a request on record" in page.seen
    assert "–" in page.seen
    assert "points on test pictures" not in page.seen


def test_names_do_nothing_in_it():
    page = request_page(facts(answer(), request="<script>alert(1)</script>\x1b[31m", warnings=["<b>bold"]))
    assert "<script" not in page
    assert "<b>bold" not in page
    assert "\x1b" not in page
