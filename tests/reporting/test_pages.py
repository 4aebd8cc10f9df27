"""The HTML report: one file that needs nothing else."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from synthetic import cell, joined

from deepunlearn_cli.reporting.pages import report_page

BINS = [0.0] * 10 + [0.2] * 5 + [0.0] * 10
VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Tags that are open, what is linked to, and the text of headings."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    rows = []
    for setting, dataset in (("s0", "digits"), ("s1", "<b>cifar10</b>")):
        about = {"setting": setting, "dataset": dataset}
        rows += cell("retrain", [0.0, 0.004], [0.5, 0.5], **about)
        for name, losses in {"ft": [0.01, 0.02], "msg": [0.1, 0.11], "ct": [0.4, 0.41]}.items():
            rows += cell(name, losses, [0.5, 0.51], **about)
    ulira = [{"title": "FT", "control": False, "accuracy": 0.5, "histogram": BINS}]
    return report_page(joined(rows), ulira)


def test_it_is_whole_and_needs_nothing_else(page):
    outline = Outline()
    outline.feed(page)
    assert not outline.open
    assert not [link for link in outline.links if not link.startswith("#")]
    assert "<script" not in page
    assert "@import" not in page


def test_it_has_every_table_and_figure(page):
    outline = Outline()
    outline.feed(page)
    assert [text.split(":")[0] for text in outline.headings] == [
        "deepunlearn report", "Verdicts", "Table 1", "Table 2", "Scores (accuracies) on 2 pairs", "U-LiRA",
    ]  # fmt: skip
    # a trade-off and a bar chart per pair, bars of the average, a map of groups, the distributions
    assert page.count("<svg ") == 2 + 2 + 1 + 1 + 1
    assert page.count('role="img" aria-label="') == 7


def test_names_are_escaped(page):
    assert "<b>cifar10" not in page


def test_it_is_the_same_every_time(page):
    rows = cell("retrain", [0.0, 0.004], [0.5, 0.5]) + cell("ft", [0.01, 0.02], [0.5, 0.51])
    assert report_page(joined(rows), []) == report_page(joined(rows), [])


def study(method: str = "msg", **changes) -> dict:
    """A search of three trials over a number, a choice and a flag, as `sweep.summaries` tells of it."""
    points = [
        {
            "trial": number, "norm": norm, "dRA": norm / 2, "dFA": norm / 3, "dVA": norm / 4,
            "discernibility": norm / 5, "params": {"lr": 10.0**-number, "loss": kind, "rewind": number > 0},
        }
        for number, (norm, kind) in enumerate(((0.3, "ce"), (0.1, "sd"), (0.0, "ce")))
    ]  # fmt: skip
    best = {
        "trial": 2,
        "params": points[2]["params"],
        "searched": 0.0,
        "confirmed": 0.2,
        "confirmed_sd": None,
    }
    asked = {"dataset": "<digits>", "model": "cnn", "forget": "random:0.1", "sampler": "tpe", "seed": 0}
    shown = {
        "trials": 3,
        "failed": 0,
        "confirmed_defaults": None,
        "tuned": ["lr"],
        "importances": {"lr": 1.0},
    }
    found = {
        "history": points,
        "points": None,
        "reads_judge": False,
        "pareto": points[2:],
        "candidates": [best | {"chosen": True, "defaults": False}],
    }
    found["domains"] = {"lr": {"log": True}, "loss": {}, "rewind": {}}
    return {"method": method, "study": method, **asked, **shown, **best, **found} | changes


def test_searches_are_drawn(page):
    rows = cell("retrain", [0.0, 0.004], [0.5, 0.5]) + cell("ft", [0.01, 0.02], [0.5, 0.51])
    bare = {"history": study()["history"][:1], "candidates": [], "importances": {}}
    drawn = report_page(joined(rows), [], sweeps=[study(), study("ft", **bare)])
    assert "Sweeps" not in page
    outline = Outline()
    outline.feed(drawn)
    assert not outline.open
    assert "Sweeps" in outline.headings
    labels = [f'aria-label="Search of {name}: &lt;digits&gt; cnn random:0.1 (tpe)"' for name in ("msg", "ft")]
    assert all(label in drawn for label in labels)
    without = report_page(joined(rows), [])
    assert drawn.count("<svg") == without.count("<svg") + 2
