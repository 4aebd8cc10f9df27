"""Other attacks on U-LiRA's models: against naive loops, and on worlds whose truth is known."""

from __future__ import annotations

import math
from statistics import NormalDist, fmean

import numpy as np
import pytest
from test_ulira import gaussian, hard, part, scores_of, world

from deepunlearn_cli.attacks._methods_apart import difference
from deepunlearn_cli.attacks.ulira import RIVALS, ULiRA, target_name
from deepunlearn_cli.core.errors import UsageFailure

PHI = NormalDist().cdf
AUCS = [f"auc_{name}" for name in RIVALS]


class Loops:
    """Every figure again, observation by observation."""

    def __init__(self, targets) -> None:
        self.seen = {}  # by side: a list of (split, turn, sample, statistic)
        for side in ("forget", "never"):
            self.seen[side] = [
                (*map(int, name.split("/")), int(x), float(z))
                for name, source in targets.items()
                for x, z in zip(source()[side]["index"], source()[side]["logits"][:, 0], strict=True)
            ]
        self.splits = sorted({row[0] for row in self.seen["never"]})
        self.by = {side: {} for side in self.seen}  # side: sample: split: its values
        for side, rows in self.seen.items():
            for split, _, x, z in rows:
                self.by[side].setdefault(x, {}).setdefault(split, []).append(z)

    def fit(self, side: str, split: int, x: int):
        """Forgotten and never-seen values in other splits, one twin of the other part left out."""
        other = "never" if side == "forget" else "forget"
        at = self.splits.index(split)
        circle = self.splits[at + 1 :] + self.splits[:at]
        twin = next((s for s in circle if s in self.by[other].get(x, {})), None)
        if twin is None:
            return None
        left = {side: split, other: twin}
        few, many = (
            [z for s, zs in self.by[part].get(x, {}).items() if s != left[part] for z in zs]
            for part in ("forget", "never")
        )
        return (few, many) if few and len(many) >= 2 else None

    def pooled(self, side: str, split: int) -> float:
        squares, free = 0.0, 0
        for splits in self.by[side].values():
            values = [z for s, zs in splits.items() if s != split for z in zs]
            if len(values) > 1:
                squares += sum((z - fmean(values)) ** 2 for z in values)
                free += len(values) - 1
        return squares / free

    def scores(self, side: str, rival: str):
        """(split, sample, score) of every observation that can be scored."""
        for split, turn, x, z in self.seen[side]:
            if fit := self.fit(side, split, x):
                yield split, x, getattr(self, rival)(side, split, turn, x, z, fit)

    def online(self, side, split, turn, x, z, fit):
        ours, theirs = (
            NormalDist(fmean(values), math.sqrt(self.pooled(part, split)))
            for values, part in zip(fit, ("forget", "never"), strict=True)
        )
        return (
            math.log(theirs.stdev / ours.stdev)
            + ((z - theirs.mean) / theirs.stdev) ** 2 / 2
            - ((z - ours.mean) / ours.stdev) ** 2 / 2
        )

    def offline(self, side, split, turn, x, z, fit):
        return (z - fmean(fit[1])) / math.sqrt(self.pooled("never", split))

    def rmia(self, side, split, turn, x, z, fit):
        def relative(z, fit):
            few, many = (fmean(1 / (1 + math.exp(-one)) for one in values) for values in fit)
            return 1 / (1 + math.exp(-z)) / ((few + many) / 2)

        reference = [
            relative(other, known)
            for s, t, y, other in self.seen["never"]
            if (s, t) == (split, turn)
            and not (side == "never" and y == x)
            and (known := self.fit("never", s, y))
        ]
        return fmean(relative(z, fit) / one > 1 for one in reference)

    def auc(self, rival: str) -> float:
        """Every sample that was scored on both sides counts the same, in each of its splits alike."""
        sides = [list(self.scores(side, rival)) for side in ("forget", "never")]
        both = {x for _, x, _ in sides[0]} & {x for _, x, _ in sides[1]}
        weighted = []
        for rows in sides:
            of_cell, cells = {}, {}
            for split, x, score in rows:
                if x in both:
                    of_cell.setdefault((split, x), []).append(score)
                    cells.setdefault(x, set()).add(split)
            weighted.append(
                [
                    (one, 1 / len(both) / len(cells[x]) / len(scores))
                    for (_, x), scores in of_cell.items()
                    for one in scores
                ]
            )
        ours, theirs = (np.array(side).T for side in weighted)
        above = (ours[0][:, None] > theirs[0]) + (ours[0][:, None] == theirs[0]) / 2
        return float(ours[1] @ above @ theirs[1])


def test_figures_agree_with_naive_loops():
    targets = world(gaussian(1), splits=6, forgets=2, samples=30, share=0.4)
    found, loops = scores_of(targets), Loops(targets)
    for name in RIVALS:
        assert found[f"auc_{name}"] == pytest.approx(loops.auc(name), abs=2e-5), name


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, index, forgotten: np.ones(len(index)),
        lambda rng, index, forgotten: np.where(rng.random(len(index)) < 0.9, 40.0, -3.0),
        lambda rng, index, forgotten: hard(index) * 1e-7 + 30,
    ],
    ids=["constant", "saturated", "almost constant"],
)
def test_ties_and_certainty_do_not_look_like_leaks(draw):
    found = scores_of(world(draw))
    for name in AUCS:
        assert found[f"{name}_low"] - 1e-9 <= 0.5 <= found[f"{name}_high"] + 1e-9, name
        assert found[name] == pytest.approx(0.5, abs=0.02)


def test_known_gaussians_give_the_analytic_areas():
    """A shift of 1.5 deviations: online and offline both rank as the likelihood ratio does."""
    found = scores_of(world(gaussian(1.5), splits=100, forgets=4, samples=120, share=0.4))
    for name in ("auc_online", "auc_offline"):
        assert found[name] == pytest.approx(PHI(1.5 / math.sqrt(2)), abs=0.02)
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
    assert 0.75 < found["auc_rmia"] < PHI(1.5 / math.sqrt(2))
    for name in RIVALS:
        assert 0 <= found[f"tpr_1_{name}_low"] <= found[f"tpr_1_{name}"] <= found[f"tpr_1_{name}_high"] <= 1


def test_offline_sees_one_side_only():
    """Forgotten pictures whose confidence is lower: below 0.5 offline, which leaks too, above it online."""
    found = scores_of(world(gaussian(-1.5), splits=60, samples=120, share=0.4))
    assert found["auc_offline"] < 0.2
    assert found["auc_rmia"] < 0.3
    assert found["auc_online"] > 0.8


def test_correctness_has_no_other_attacks():
    found = ULiRA(statistic="correctness").run(world(gaussian(1)), 0)
    assert {found.scores[name] for name in AUCS} == {None}
    assert set(ULiRA.score_names()) <= set(found.scores)


@pytest.mark.parametrize("metric", AUCS)
def test_methods_differ_in_them_with_an_error(metric):
    ours, theirs = (ULiRA().run(world(gaussian(shift), seed=3), 0) for shift in (2, 0))
    apart = ours.scores[metric] - theirs.scores[metric]
    gap = difference(metric, ours.parts["cells"], theirs.parts["cells"], apart)
    assert gap.value > 3 * gap.error > 0


def test_rare_forgetting_has_no_variance_of_its_own_and_borrows_the_other():
    """One model forgets a sample once: nothing says how forgotten ones vary."""
    targets, rng = {}, np.random.default_rng(0)
    for split in range(6):
        half, never = np.split(np.roll(np.arange(60), 10 * split), 2)
        forget = half[:10]
        said = {
            "forget": part(rng.normal(1, 1, 10), forget),
            "never": part(rng.normal(0, 1, 30), never),
        }
        targets[target_name(split, 0)] = lambda said=said: said
    targets |= {target_name(6 + s, 0): targets[target_name(s, 0)] for s in range(3)}
    found = scores_of(targets)
    assert all(math.isfinite(found[name]) for name in AUCS)


def test_klom_is_of_one_model_of_each_split_and_the_retrained_models_are_the_floor():
    from deepunlearn_cli.evaluation.klom import Margins, klom

    design = {"splits": 40, "forgets": 2, "samples": 80, "share": 0.5}
    ours, retrained = world(gaussian(2), **design), world(gaussian(0), **design)
    found = [ULiRA().run(one, 0) for one in (ours, dict(reversed(retrained.items())))]
    once = []
    for targets in (ours, retrained):
        sides = {}
        for name, source in targets.items():
            split, turn = map(int, name.split("/"))
            for side in ("forget", "never"):
                for x, z in zip(source()[side]["index"], source()[side]["logits"][:, 0], strict=True):
                    sides.setdefault((side, split, int(x)), []).append((turn, z))
        once.append({key: min(values)[1] for key, values in sides.items()})
    mine, theirs, reference = (
        Margins(
            *map(np.array, zip(*((x, s, z) for (part, s, x), z in said.items() if part == side), strict=True))
        )
        for said, side in ((once[0], "forget"), (once[1], "forget"), (once[1], "never"))
    )
    expected, got = klom(mine, theirs, reference), ULiRA().klom(*found)
    for name in ("value", "floor", "excess"):
        assert getattr(got, name).value == pytest.approx(getattr(expected, name).value, abs=1e-6)
    assert got.excess.interval()[0] > 0
    floor = ULiRA().klom(found[1], found[1])
    assert floor.value == floor.floor == got.floor
    assert ULiRA(statistic="correctness").klom(*found) is None


def test_few_splits_have_no_klom_and_other_designs_are_refused():
    found = ULiRA().run(world(gaussian(0)), 0)
    assert ULiRA().klom(found, found) is None
    with pytest.raises(UsageFailure, match="different designs"):
        ULiRA().klom(found, ULiRA().run(world(gaussian(0), seed=1), 0))
