"""The exam of the room: what every attack declares, and what an attack on one model gets from its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import pytest
from outputs_kit import outputs, split
from room_kit import residents

from deepunlearn_cli.attacks import ATTACKS, Attack, Findings, OneModel, on_one_model
from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.evaluation.equivalence import decide

EVERY = {name: ATTACKS.get(name) for name in residents(ATTACKS)}
ONE_MODEL = on_one_model()


def findings(attack: OneModel, data, seed: int = 0) -> Findings:
    return attack.run({"target": lambda: data}, seed)


@pytest.fixture(scope="module", params=ONE_MODEL)
def attack(request) -> OneModel:
    return ONE_MODEL[request.param]()


@pytest.mark.parametrize("name", EVERY)
def test_declares_itself(name):
    attack = EVERY[name]
    assert attack.name() == name
    assert all((attack.title, attack.question.endswith("?"), attack.summary, attack.__doc__))
    assert attack.headline() == attack.columns[0].name
    assert attack().heading().startswith(attack.title)
    assert attack.metrics()
    for field, domain in attack.domains().items():
        assert not domain.search, "nobody tunes an attack"
        with pytest.raises(UsageFailure):
            attack.build({field: domain.invalid()})


def test_the_room_has_both_kinds():
    assert set(ONE_MODEL) < set(EVERY)


def test_finds_every_score_it_shows(attack):
    scores = findings(attack, outputs(forget=1000, test=1000)).scores
    for score in attack.columns:
        assert scores[score.name] is not None
        if score.interval:
            assert scores[f"{score.name}_low"] <= scores[score.name] <= scores[f"{score.name}_high"]
    few = findings(attack, outputs(forget=20, test=20)).scores
    for score in attack.columns:
        assert (few[score.name] is None) == (score.takes > 20)


def test_sees_a_memoriser_and_nothing_else(attack):
    for score in attack.columns:
        if score.guessing is not None:
            sees, blind = (findings(attack, outputs(lead=lead)).scores for lead in (4, 0))
            assert blind[f"{score.name}_low"] <= score.guessing <= blind[f"{score.name}_high"]
            assert sees[f"{score.name}_low"] > score.guessing + 0.2


def test_parts_say_who_took_part(attack):
    data = outputs(lead=1, forget=60, test=90)
    data["forget"]["index"] = np.arange(1000, 1060)
    parts = findings(attack, data).parts
    assert {name: len(arrays["index"]) for name, arrays in parts.items()} == {"forget": 60, "against": 60}
    assert sorted(parts["forget"]["index"]) == list(range(1000, 1060))
    for arrays in parts.values():
        assert set(arrays) == {"index", "label", "score", "guess"}
        known = arrays["guess"][np.isfinite(arrays["guess"])]
        assert ((known >= 0) & (known <= 1)).all()


def test_equal_seeds_draw_equal_samples(attack):
    data, other = outputs(test=500), outputs(lead=2, test=500)
    draws = [findings(attack, one, seed).parts["against"]["index"] for one, seed in ((data, 0), (other, 0))]
    assert np.array_equal(*draws)
    assert not np.array_equal(draws[0], findings(attack, data, 1).parts["against"]["index"])
    assert findings(attack, data).scores == findings(attack, data).scores


def test_evidence_cuts_no_side(attack):
    found = attack.evidence(outputs(forget=60, test=900))
    assert found.about().items() >= {"n_forget": 60, "n_unseen": 900, "class_matched": False}.items()
    assert found.about()["tpr_1"] is not None


def test_every_figure_is_compared(attack):
    ours, theirs = (attack.evidence(outputs(seed=seed)) for seed in (0, 1))
    found = attack.gaps(attack.metrics(), ours, theirs)
    assert [gap.metric for gap in found] == list(attack.metrics())
    for gap in attack.gaps(attack.metrics(), ours, ours):
        assert not gap.values.any()
        assert (gap.errors > 0).all(), "no certainty from samples alike"


def test_other_samples_are_refused(attack):
    data = outputs()
    ours = attack.evidence(data)
    data["test"]["index"] = np.arange(400) + 1
    with pytest.raises(UsageFailure, match="other samples"):
        attack.gaps(attack.metrics(), ours, attack.evidence(data))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_losses_that_are_not_finite_are_refused(attack, bad):
    data = outputs()
    data["forget"]["logits"][3] = bad
    with pytest.raises(RunFailed, match="1 of 400 losses on forget are not finite"):
        findings(attack, data)


def test_what_is_missing_is_named(attack):
    with pytest.raises(UsageFailure, match=f"{attack.title} needs .* samples per side; test has 1"):
        findings(attack, outputs(test=1))
    with pytest.raises(UsageFailure, match="no outputs for the val split"):
        findings(type(attack)(against="val"), {"forget": split(np.ones(20))})


def test_constant_losses_are_a_coin_toss(attack):
    scores = findings(attack, {name: split(np.ones(100)) for name in ("forget", "test")}).scores
    assert {scores[score.name] for score in attack.columns if score.guessing is not None} == {0.5}


def test_a_newcomers_attack_writes_nothing_else():
    """Figures and guesses are enough: the verdict follows from the feature."""

    @dataclass(frozen=True)
    class Threshold(OneModel):
        """Above the middle."""

        title = "Threshold"

        def tell_apart(self, forget, unseen, rng):
            every = np.concatenate([forget, unseen])
            return {}, (every > np.median(every)).astype(float)

    leaky, clean = (Threshold().evidence(outputs(lead=lead)) for lead in (3, 0))
    assert decide(Threshold().gaps(Threshold.metrics(), leaky, clean), 0.05).verdict == "FAIL"
    assert isinstance(findings(Threshold(), outputs()).parts, Mapping)
    assert [field.name for field in fields(Threshold)] == ["against", "feature"]
    assert issubclass(Threshold, Attack)
