"""What an answer tells a person to do next."""

from __future__ import annotations

import pytest

from deepunlearn_cli.reporting.answers import following

MADE = {"original": "3f9c", "forget_label": "random:0.1", "method": "do-nothing", "claim": None}


def answer(verdict: str, reach: float, nothing: float, **changes):
    """An answer on one figure whose gap may reach so far, and that of doing nothing."""

    def figure(end: float):
        return {"metric": "auc", "verdict": verdict, "gap_low": end - 0.04, "gap_high": end, "limit": 0.05}

    rule = {"tolerance": 0.05, "fail_above": None, "metric": "auc", "gap": reach - 0.02}
    sizes = {"needed": 300, "n_forget": 120, "few": False, "uninformative": False}
    figures = {"figures": [figure(reach)], "do_nothing_figures": [figure(nothing)]}
    return {"verdict": verdict, **rule, **sizes, **figures, **MADE, **changes}


@pytest.mark.parametrize(("nothing", "offered"), [(0.095, False), (0.06, False), (0.2, True)])
def test_no_limit_is_offered_that_doing_nothing_could_pass(nothing, offered):
    told = " ".join(following(answer("INCONCLUSIVE", 0.095, nothing, method="ft")))
    assert ("--tolerance 0.10 would pass" in told) == offered
    assert ("doing nothing could pass it" in told) != offered


def test_doing_nothing_is_not_told_to_forget_more_by_other_settings():
    told = following(answer("FAIL", 0.3, 0.3))
    assert "nothing is unlearned yet" in told[0]
    assert told[1].endswith("`deepunlearn unlearn 3f9c --method retrain --forget random:0.1`")


def test_training_again_is_for_the_last_of_several_requests():
    (_, told) = following(
        answer("FAIL", 0.3, 0.4, method="ft", forget_label="a and b", requests=["class:1", "class:2"])
    )
    assert told.endswith("--forget class:2`")


@pytest.mark.parametrize("reach", [0.06, 0.095])
def test_an_original_that_settles_nothing_is_told_first_that_nothing_is_unlearned(reach):
    told = following(answer("INCONCLUSIVE", reach, reach))
    assert told[0].startswith("nothing is unlearned yet")
    assert not any("doing nothing" in one for one in told), "which is what it is"


def test_near_the_limit_more_pictures_than_there_are_would_settle_it():
    told = following(answer("INCONCLUSIVE", 0.095, 0.2, method="ft", needed=100))
    assert told[0] == "120 forgotten pictures settle most gaps; this is near the limit, and takes more"
