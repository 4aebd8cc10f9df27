"""U-LiRA on made-up models whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest

from deepunlearn_cli.attacks._methods_apart import difference
from deepunlearn_cli.attacks._ulira import STATISTICS
from deepunlearn_cli.attacks.ulira import RIVALS, ULiRA, target_name
from deepunlearn_cli.core.errors import RunFailed, UsageFailure

Draw = Callable[[np.random.Generator, np.ndarray, bool], np.ndarray]
PHI = NormalDist().cdf


def part(z: np.ndarray, index: np.ndarray) -> dict[str, np.ndarray]:
    """Two-class outputs whose log odds of the true class 0 are `z`."""
    logits = np.stack([z, np.zeros_like(z)], axis=1).astype(np.float32)
    return {"logits": logits, "labels": np.zeros(len(z), np.int32), "index": index.astype(np.int32)}


def world(draw: Draw, splits: int = 16, forgets: int = 4, samples: int = 200, share=0.2, seed: int = 0):
    """Models over random halves of `samples`; `draw(rng, index, forgotten)` gives the statistic."""
    rng, targets = np.random.default_rng(seed), {}
    for split in range(splits):
        half, never = np.split(rng.permutation(samples), 2)
        for turn in range(forgets):
            forget = rng.permutation(half)[: int(share * len(half))]
            said = {
                "forget": part(draw(rng, forget, True), forget),
                "never": part(draw(rng, never, False), never),
            }
            targets[target_name(split, turn)] = lambda said=said: said
    return targets


def hard(index: np.ndarray) -> np.ndarray:
    """Samples differ in how easy they are, far more than models do."""
    return 3 * np.sin(index * 12.9898) + 2


def gaussian(shift: float) -> Draw:
    return lambda rng, index, forgotten: rng.normal(hard(index) + shift * forgotten, 1)


def scores_of(targets, **params):
    return ULiRA(**params).run(targets, 0).scores


def test_statistics_that_are_offered_are_those_there_are():
    assert tuple(STATISTICS) == ULiRA.domains()["statistic"].choices


@pytest.mark.slow
def test_identical_distributions_are_a_coin_toss_in_the_interval():
    inside = dict.fromkeys(("accuracy", "auc", *(f"auc_{name}" for name in RIVALS)), 0)
    for repetition in range(100):
        found = scores_of(world(gaussian(0), seed=repetition))
        for name in inside:
            inside[name] += found[f"{name}_low"] <= 0.5 <= found[f"{name}_high"]
    assert min(inside.values()) >= 91, inside
    assert min(inside["accuracy"], inside["auc"]) >= 93, inside


def test_known_gaussians_give_the_analytic_figures():
    found = scores_of(world(gaussian(1.5), splits=100, forgets=4, samples=120, share=0.4))
    assert found["accuracy"] == pytest.approx(PHI(0.75), abs=0.015)
    assert found["auc"] == pytest.approx(PHI(1.5 / np.sqrt(2)), abs=0.015)
    assert 0.01 < found["tpr_1_low"] < found["tpr_1_high"] < 0.5
    assert found["tpr_01"] is None  # 120 samples cannot tell 0.1 %


@pytest.mark.slow
def test_intervals_cover_the_analytic_figures():
    hits = 0
    limit = scores_of(world(gaussian(1.0), splits=200, forgets=2, samples=100, share=0.4))["accuracy"]
    for repetition in range(60):
        found = scores_of(
            world(gaussian(1.0), splits=200, forgets=2, samples=100, share=0.4, seed=repetition)
        )
        hits += found["accuracy_low"] <= PHI(0.5) <= found["accuracy_high"]
    assert limit == pytest.approx(PHI(0.5), abs=0.02)
    assert hits / 60 >= 0.85


def test_a_planted_memoriser_is_caught():
    def memorised(rng, index, forgotten):
        return rng.normal(hard(index) + 8 * (forgotten & (index < 40)), 1)

    found = ULiRA().run(world(memorised), 0)
    samples = found.parts["samples"]
    planted = samples["index"] < 40
    assert samples["accuracy"][planted].mean() > 0.9
    assert samples["accuracy"][~planted].mean() == pytest.approx(0.5, abs=0.05)
    assert found.scores["accuracy_low"] > 0.5


@pytest.mark.parametrize("statistic", ["confidence", "correctness"])
@pytest.mark.parametrize("leak", [0.0, 0.5, 1.0])
def test_no_leakage_level_gives_nan(statistic, leak):
    """The released code divides by zero where a sample is always right: 39 to 100 % of them."""

    def known(rng, index, forgotten):
        easy = 0.93 + 0.07 * leak * forgotten
        return np.where(rng.random(len(index)) < easy, 3.0, -3.0)

    found = ULiRA(statistic=statistic).run(world(known), 0)
    assert np.isfinite(found.parts["samples"]["accuracy"]).all()
    assert np.isfinite([found.scores[name] for name in ("accuracy", "auc", "accuracy_low")]).all()


def test_constants_are_a_coin_toss():
    found = scores_of(world(lambda rng, index, forgotten: np.ones(len(index))))
    assert found["accuracy"] == pytest.approx(0.5, abs=0.01)
    for name in ("accuracy", "auc"):
        assert found[f"{name}_low"] <= 0.5 <= found[f"{name}_high"]


def test_full_leakage_of_correctness_is_seen():
    def full(rng, index, forgotten):
        return np.where(forgotten | (rng.random(len(index)) < 0.5), 3.0, -3.0)

    assert scores_of(world(full), statistic="correctness")["accuracy"] > 0.65


def test_a_split_is_not_scored_by_itself():
    """Other values in one split change how others are scored, and never its own fit."""
    from deepunlearn_cli.attacks._likelihood import score
    from deepunlearn_cli.attacks._ulira import _read

    _, cells = _read("confidence", world(gaussian(1), splits=6))
    before = {pair[1].split: pair for pair in score(cells, 200)}
    for cell in cells:
        if cell.split == 0:
            cell.forgotten_z[:] += 5
    after = {pair[1].split: pair for pair in score(cells, 200)}
    assert before[0][1].ratio == pytest.approx(after[0][1].ratio, rel=1e-6)
    assert before[0][0].ratio != pytest.approx(after[0][0].ratio, rel=1e-2)
    assert before[1][1].ratio != pytest.approx(after[1][1].ratio, rel=1e-2)


def test_order_of_models_plays_no_part():
    targets = world(gaussian(1))
    turned = dict(reversed(targets.items()))
    one, other = scores_of(targets), scores_of(turned)
    assert one.pop("by_split") == pytest.approx(other.pop("by_split"))
    assert one == pytest.approx(other, nan_ok=True)


def test_the_paired_difference_of_a_method_from_itself_is_nothing():
    cells = ULiRA().run(world(gaussian(1)), 0).parts["cells"]
    gap = difference("accuracy", cells, cells, 0.0)
    assert (gap.value, gap.error) == (0, 0)


@pytest.mark.slow
def test_a_difference_of_methods_covers_what_is_true():
    hits = 0
    for repetition in range(60):
        worlds = [world(gaussian(0), seed=repetition) for _ in range(2)]
        jolt = np.random.default_rng(repetition)
        for said in worlds[1].values():
            for side in said().values():
                side["logits"][:, 0] += jolt.normal(0, 0.5, len(side["logits"])).astype(np.float32)
        ours, theirs = (ULiRA().run(one, 0) for one in worlds)
        apart = ours.scores["accuracy"] - theirs.scores["accuracy"]
        low, high = difference("accuracy", ours.parts["cells"], theirs.parts["cells"], apart).interval()
        hits += low <= 0 <= high
    assert hits / 60 >= 0.9


def test_every_sample_is_counted_once():
    found = scores_of(world(gaussian(0)))
    assert found["samples"] + found["unscored"] == 200
    assert (found["models"], found["splits"]) == (64, 16)


def test_splits_add_up_to_the_whole():
    found = scores_of(world(gaussian(1.0)))
    assert len(found["by_split"]) == 16
    assert np.mean(found["by_split"]) == pytest.approx(found["accuracy"], abs=0.01)
    assert np.std(found["by_split"]) > 0


def test_too_few_splits_are_refused():
    with pytest.raises(UsageFailure, match="needs 4 splits to fit; there are 3"):
        scores_of(world(gaussian(0), splits=3))


def broken(change: Callable[[dict[str, np.ndarray]], None]):
    targets = world(gaussian(0), splits=5)
    said = targets["2/1"]()
    change(said["forget"])
    return targets


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda p: p.update(labels=p["labels"][:0], logits=p["logits"][:0]), UsageFailure, "empty"),
        (lambda p: p.update(labels=p["labels"] + 2), UsageFailure, "no column"),
        (lambda p: p.update(labels=p["labels"][:3]), UsageFailure, "not \\(n, classes\\)"),
        (lambda p: p["logits"].fill(np.nan), RunFailed, "not finite"),
    ],
)
def test_models_that_cannot_be_used_are_named(change, kind, text):
    with pytest.raises(kind, match=f"forget of model 2/1.*{text}"):
        scores_of(broken(change))


def test_models_of_different_classes_are_refused():
    targets = world(gaussian(0), splits=5)
    said = targets["2/1"]()
    for side in said.values():
        side["logits"] = np.pad(side["logits"], ((0, 0), (0, 1)), constant_values=-9)
    with pytest.raises(UsageFailure, match="differ in their classes"):
        scores_of(targets)


@pytest.mark.parametrize("seed", range(20))
def test_what_will_be_scored_is_known_before_there_is_a_model(seed):
    """The same samples as the likelihood ratios of models, whatever these will say."""
    from deepunlearn_cli.attacks import _likelihood as likelihood

    draw, samples, splits, sets = np.random.default_rng(seed), 60, 4 + seed % 3, 1 + seed % 2
    forgotten, never = (np.zeros((splits, samples), int) for _ in range(2))
    shadows = []
    for split in range(splits):
        order = draw.permutation(samples)
        half, rest = order[:30], order[30:]
        for _ in range(sets):
            gone = draw.permutation(half)[: 4 + seed]
            forgotten[split, gone] += 1
            never[split, rest] += 1
            z = draw.normal(size=samples)
            shadows.append(likelihood.Shadow(split, gone, rest, z[gone], z[rest], 2))
    sides = list(likelihood.score(shadows, samples))
    scored = [set(np.concatenate([pair[part].where for pair in sides])) for part in (0, 1)]
    found = likelihood.scorable(forgotten, never)
    assert set(np.flatnonzero(found)) == scored[0] & scored[1]
    assert found.any() or seed < 5 or (splits, sets) == (4, 1)
