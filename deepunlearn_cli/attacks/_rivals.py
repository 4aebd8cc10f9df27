"""Other attacks on the models of U-LiRA: LiRA with fixed variances, online and offline, and RMIA.

All of them score the same observations as U-LiRA, and each by what the other splits say without a twin of
what is scored (`_likelihood`), so that an attack that knows nothing has an AUC of 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from deepunlearn_cli.attacks._likelihood import Fit, Fold, Ratio, Shadow, Statistic, Where, folds
from deepunlearn_cli.attacks._variances import FLOOR
from deepunlearn_cli.evaluation.features import TINY, Floats

DIGITS = 12  # of ratios of probabilities: sums round, and what is sure is 1 to the last digit but one

Scores = tuple[Floats, Floats]  # of all forgotten observations that can be scored, and of all never seen


def rivals(shadows: Sequence[Shadow], samples: int) -> dict[str, Scores]:
    """By the name of an attack its scores, larger for what looks forgotten, in the order of U-LiRA's."""
    found: dict[str, list[Scores]] = {"online": [], "offline": [], "rmia": []}
    for fold in folds(shadows, samples):
        found["online"].append(online(fold))
        found["offline"].append(offline(fold))
    found["rmia"] += map(rmia, folds([_in_probability(shadow) for shadow in shadows], samples))
    return {name: _joined(scores) for name, scores in found.items()}


def online(fold: Fold) -> Scores:
    """Log-likelihood ratio of Gaussians with each sample's means and one variance for either part.

    LiRA of Carlini et al. 2022 (arXiv 2112.03570), section VI: with few models, fixed variances are better.
    """
    forgotten, never = fold.others
    many = _fixed(never.pooled)
    few = _fixed(forgotten.pooled) if forgotten.free.any() else many

    def ratio(fit: Fit) -> Ratio:
        def of(where: Where, z: Statistic) -> Floats:
            ours, theirs = z - fit.few.mean[where], z - fit.many.mean[where]
            ratios: Floats = (theirs**2 / many - ours**2 / few + np.log(many / few)) / 2
            return ratios

        return of

    return _scores(fold, ratio)


def offline(fold: Fold) -> Scores:
    """How many deviations a statistic lies above its mean where the sample was never seen.

    The same source: without models that have the sample in, 1 - P[Z > z] of the others' Gaussian, which this
    orders alike.
    """
    many = _fixed(fold.others[1].pooled)

    def ratio(fit: Fit) -> Ratio:
        return lambda where, z: np.asarray((z - fit.many.mean[where]) / np.sqrt(many))

    return _scores(fold, ratio)


def rmia(fold: Fold) -> Scores:
    """Share of reference pictures z with [p(x | model) / p(x)] / [p(z | model) / p(z)] above 1.

    Zarifzadeh, Liu and Shokri 2024 (arXiv 2312.03262), online, gamma = 1. The statistic of `fold` must be the
    probability of the true class; p(x) is its mean over the other splits' models, those that forgot x and
    those that never saw it counting half each. Reference are the pictures that the model never saw; one of
    them is compared with all others.
    """
    forgotten, never = [], []
    for model in fold.own:
        reference = _relative(fold.never, model.never, model.never_z)
        ordered = np.sort(reference)
        ours = _relative(fold.forgotten, model.forgotten, model.forgotten_z)
        forgotten.append(ordered.searchsorted(ours) / max(1, len(ordered)))
        never.append(ordered.searchsorted(reference) / max(1, len(ordered) - 1))
    return np.concatenate(forgotten), np.concatenate(never)


def _relative(fit: Fit, where: Where, p: Statistic) -> Floats:
    """The ratio p(x | model) / p(x) of the samples that can be scored."""
    scored = fit.known[where]
    average = (fit.few.mean + fit.many.mean) / 2
    relative: Floats = (p[scored] / np.maximum(average[where[scored]], TINY)).round(DIGITS)
    return relative


def _fixed(variance: float) -> float:
    return max(variance, FLOOR)


def _scores(fold: Fold, ratio: Callable[[Fit], Ratio]) -> Scores:
    forgotten, never = fold.sides(ratio(fold.forgotten), ratio(fold.never))
    return forgotten.ratio, never.ratio


def _joined(scores: Iterable[Scores]) -> Scores:
    forgotten, never = zip(*scores, strict=True)
    return np.concatenate(forgotten), np.concatenate(never)


def _in_probability(shadow: Shadow) -> Shadow:
    """With log odds as probabilities of the true class."""
    from scipy.special import expit

    ours, theirs = (expit(z.astype(np.float64)) for z in (shadow.forgotten_z, shadow.never_z))
    return replace(shadow, forgotten_z=ours, never_z=theirs)
