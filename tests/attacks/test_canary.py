"""Canary: an exact null, and noise that was learnt is found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from tiny import CPU, cnn, vit

from deepunlearn_cli.attacks import ATTACKS, Findings
from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.data import Canary, drawn, with_canaries
from deepunlearn_cli.data._dataset import Dataset
from deepunlearn_cli.engine.canaries import Canaries, alignments, ranks
from deepunlearn_cli.engine.pictures import Pictures, Pixels

ATTACK = ATTACKS.get("canary")
SHAPE = (8, 8, 3)


def dataset(count: int = 60) -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    labels = np.arange(count) % 3
    facts = {"train_size": 40, "classes": ("a", "b", "c"), "mean": (0.5,) * 3, "std": (0.3,) * 3}
    return Dataset("made", "f" * 64, images, labels, flip=False, pad=0, **facts)


def shown(data: Dataset, index: np.ndarray, images: np.ndarray) -> Pictures:
    pixels = Pixels(images, data.labels[index], CPU, mean=data.mean, std=data.std)
    idle = torch.Generator()
    return Pictures(pixels, np.arange(len(index)), order=idle, moves=idle)


def lab(seed: int = 0, count: int = 40, data: Dataset | None = None) -> tuple[Canary, Canaries]:
    data = data or dataset()
    canary = Canary("0" * 64, share=1.0, seed=seed)
    index = canary.chosen(np.arange(count))
    return canary, Canaries(
        index,
        shown(data, index, data.images[index]),
        canary.draws(count, SHAPE),
        lambda noise: shown(data, index, canary.planted(data, index, noise)),
        lambda number: drawn(1000 * seed + number + 1, count, SHAPE),
    )


def found(z: np.ndarray, rank: np.ndarray, draws: int = 200) -> Findings:
    part = {"index": np.arange(len(z)), "label": np.zeros(len(z), int), "z": z, "rank": rank}
    return ATTACK.build({"draws": draws}).run({"target": lambda: {"canary": part}}, 0)


@pytest.mark.parametrize("build", [cnn, vit])
def test_noise_that_was_never_seen_is_standard_normal(build):
    torch.manual_seed(0)
    model = build()
    z = np.concatenate([alignments(model, lab(seed)[1]) for seed in range(25)])
    assert kstest(z, "norm").pvalue > 0.01
    assert abs(np.corrcoef(z.reshape(25, -1)[:, :2].T)[0, 1]) < 0.6


def test_ranks_of_noise_that_was_never_seen_are_uniform():
    torch.manual_seed(0)
    model = cnn()
    share = np.concatenate([ranks(model, lab(seed)[1], 20) for seed in range(25)])
    values, counts = np.unique(np.round(share * 20), return_counts=True)
    assert set(values) <= set(range(21))
    assert ((counts - 1000 / 21) ** 2 / (1000 / 21)).sum() < 45  # chi-squared, 20 degrees: 0.1 %


@pytest.mark.parametrize("draws", [20, 200])
def test_p_values_are_uniform_under_the_null(draws):
    rng = np.random.default_rng(0)
    scores = [
        found(rng.normal(size=60), rng.integers(0, draws + 1, 60) / draws, draws).scores for _ in range(1000)
    ]
    for name in ("p_value", "p_auc"):
        assert kstest([one[name] for one in scores], "uniform").pvalue > 0.01, name


def test_verdicts_under_the_null_and_power():
    rng = np.random.default_rng(1)
    attack = ATTACK()
    said: dict[str, int] = {}
    for _ in range(400):
        null = found(rng.normal(size=60), rng.integers(0, 201, 60) / 200)
        verdict = attack.judge(["auc", "alignment"], null, None, 0.05).verdict
        said[verdict] = said.get(verdict, 0) + 1
    assert said["FAIL"] <= 0.05 * 400 + 2 * (400 * 0.05 * 0.95) ** 0.5
    assert "PASS" not in said, "60 canaries cannot show that"
    large = [found(rng.normal(size=2000), rng.random(2000)) for _ in range(50)]
    passed = sum(attack.judge(["auc", "alignment"], one, None, 0.05).verdict == "PASS" for one in large)
    assert passed >= 40
    known = found(rng.normal(0.5, 1, 60), rng.random(60))
    assert attack.judge(["auc", "alignment"], known, None, 0.05).decided.metric == "alignment"


def test_either_figure_finds_it_and_few_samples_decide_nothing():
    rng = np.random.default_rng(2)
    attack, plain = ATTACK(), rng.normal(size=60)
    sure = attack.judge(["auc", "alignment"], found(plain, np.ones(60)), None, 0.05)
    assert (sure.verdict, sure.decided.metric, sure.reference) == ("FAIL", "auc", "null")
    assert sure.decided.gap.error > 0, "certainty has an interval, too"
    few = attack.judge(["auc"], found(plain[:20], np.ones(20)), None, 0.05)
    assert few.verdict == "INCONCLUSIVE"


def test_a_model_without_gradients_is_no_evidence():
    with pytest.raises(RunFailed, match="no canary has an input gradient"):
        found(np.full(40, np.nan), np.full(40, 0.5))
    z = np.r_[np.nan, np.random.default_rng(0).normal(size=39)]
    scores = found(z, np.full(40, 0.5)).scores
    assert (scores["n"], scores["left_out"]) == (39, 1)


def test_a_sure_model_has_a_direction_all_the_same():
    """Where the loss is 0 to the last bit, its gradient is; that of the log-odds is not."""
    torch.manual_seed(0)
    model = cnn()
    head = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        head.bias.copy_(torch.tensor([500.0, 0, 0]))
    assert np.isfinite(alignments(model, lab()[1])).all()


def test_canaries_are_planted_where_they_belong(tmp_path):
    data = dataset()
    np.save(tmp_path / "images.npy", data.images)
    mapped = replace(data, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    canary, forget = Canary("0" * 64, share=0.5), np.array([9, 3, 5, 7])
    for one in (data, mapped):
        images = with_canaries(one, canary, forget)
        changed = np.flatnonzero((images != data.images).any(axis=(1, 2, 3)))
        assert changed.tolist() == canary.chosen(forget).tolist()
        assert len(changed) == 2
        assert set(changed) <= set(forget)
    assert np.array_equal(np.load(tmp_path / "images.npy"), data.images), "nothing reaches the disk"
    assert canary.chosen(forget[::-1]).tolist() == canary.chosen(forget).tolist()
    assert not np.array_equal(replace(canary, seed=1).draws(2, SHAPE), canary.draws(2, SHAPE))


@pytest.mark.parametrize("bad", [{"share": 0.0}, {"share": 1.5}, {"noise": 0.0}, {"noise": float("nan")}])
def test_bad_canaries_are_refused(bad):
    with pytest.raises(UsageFailure):
        Canary("0" * 64, **bad)
