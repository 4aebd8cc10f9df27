"""Pages open with verdicts; names in figures do not lie on each other."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from matplotlib.text import Text
from synthetic import cell, joined
from test_request_page import answer

from deepunlearn_cli.reporting import figures
from deepunlearn_cli.reporting.canvas import spread
from deepunlearn_cli.reporting.measures import PAPERS, find_metric
from deepunlearn_cli.reporting.pages import rank_page, report_page
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.verdict_sections import overall, verdict_section


def judged(label: str, *words: str, bound: bool = False, gap: float = 0.12):
    rows = [answer(word, gap if word == "FAIL" else 0.01) for word in words]
    about = {"pair": "digits resnet-tiny random:0.5", "label": label, "bound": bound}
    return [row | about | {"seed": seed} for seed, row in enumerate(rows)]


def test_a_method_passes_if_all_its_seeds_do_and_fails_if_one_does():
    assert overall(judged("FT", "PASS", "PASS")) == "PASS"
    assert overall(judged("FT", "PASS", "INCONCLUSIVE")) == "INCONCLUSIVE"
    assert overall(judged("FT", "PASS", "INCONCLUSIVE", "FAIL")) == "FAIL"


def test_the_words_come_with_what_they_mean_and_who_got_which():
    rows = judged("FT", "FAIL", "INCONCLUSIVE") + judged("SalUN", "PASS", "PASS")
    said = verdict_section(rows + judged("Do nothing", "FAIL", "FAIL", bound=True))
    for text in (
        "did not tell the model from one that was trained without", "</b> 1 of 2: SalUN", "</b> 1 of 2: FT",
        "Doing nothing gets FAIL (2 FAIL): this test sees a model that forgot nothing.",
        "1 INCONCLUSIVE, 1 FAIL", "too little is forgotten", "+0.120 (+0.100 to +0.140)",
    ):  # fmt: skip
        assert text in said


def test_where_doing_nothing_passes_no_pass_is_shown_as_good():
    rows = judged("FT", "PASS") + judged("Do nothing", "PASS", bound=True)
    said = verdict_section(rows)
    assert "no PASS counts" in said
    assert 'class="verdict PASS"' not in said


def test_pages_open_with_verdicts_and_say_where_there_are_none():
    rows = cell("retrain", [0.0, 0.004], [0.5, 0.5]) + cell("ft", [0.01, 0.02], [0.5, 0.51])
    records = joined(rows)
    for page in (report_page(records, [], verdicts=judged("FT", "FAIL")), rank_page(records, rank(records))):
        assert page.index("Verdicts: is it forgotten?") < page.index("Table 1")
    assert "there are no verdicts" in rank_page(records, rank(records))
    assert "there are no verdicts" not in rank_page(records, rank(records), judged("FT", "FAIL"))


@pytest.mark.parametrize("count", [1, 3, 27])
def test_names_of_methods_alike_do_not_lie_on_each_other(count):
    x, y = map(find_metric, PAPERS)
    near = [
        {"label": f"method {n}", "control": False, f"{x.key}_mean": 0.026 + n * 1e-4, f"{x.key}_sd": 0.002,
         f"{y.key}_mean": 0.92 + n * 1e-4, f"{y.key}_sd": 0.02}
        for n in range(count)
    ]  # fmt: skip
    figure = figures.trade_off(near, "alike", x, y)
    figure.canvas.draw()
    texts = [one for one in figure.axes[0].texts if one.get_text().startswith("method")]
    boxes = [Text.get_window_extent(one) for one in texts]
    assert len(boxes) == count
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)
    figures._close(figure)


def test_places_are_moved_as_little_as_needed():
    assert spread([0.2, 0.8], 0.1) == [0.2, 0.8]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    crowded = spread([0.5] * 5, 0.2)
    assert crowded[0] >= 0
    assert all(b - a == pytest.approx(0.2) for a, b in pairwise(crowded))


def test_numbers_of_logarithmic_axes_are_numbers():
    rows = [{"label": "FT", "control": False, "rte_work_mean": 30.0, "rte_work_sd": 2.0}]
    drawn = figures.inline(
        figures.speeds([*rows, {**rows[0], "label": "GA", "rte_work_mean": 2.0}], "x"), "x"
    )
    assert "mathdefault" not in drawn
