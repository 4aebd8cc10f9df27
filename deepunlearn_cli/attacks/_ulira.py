"""What U-LiRA computes: ratios of every sample and split, figures over them, and differences of methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.attacks._attack import Findings, Source
from deepunlearn_cli.attacks._clusters import Layout, estimate
from deepunlearn_cli.attacks._features import FPRS, check
from deepunlearn_cli.attacks._likelihood import LEAST_SPLITS, Shadow, Side, score
from deepunlearn_cli.attacks._rivals import Scores, rivals
from deepunlearn_cli.core.errors import RunFailed, UsageFailure
from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.evaluation.features import Floats, correctness, log_odds
from deepunlearn_cli.evaluation.intervals import Estimate

CONFIDENCE = "confidence"
STATISTICS = {CONFIDENCE: log_odds, "correctness": correctness}
PARTS = "forget", "never"
BINS = 2**20  # of ratios, for ranks: a tie of two in one bin counts half, as a true tie does
REACH = 4.0  # where bins begin to grow
MANY = 1_000_000  # ratios above which only the upper tail is sorted for a threshold


def analysed(statistic: str, targets: Mapping[str, Source]) -> Findings:
    """Figures of a method from many of its models."""
    index, shadows = _read(statistic, targets)
    sides = list(score(shadows, len(index)))
    layout = Layout.over(sides, len(index))
    weights = _weights(layout)
    if not weights.any():
        raise UsageFailure(
            f"U-LiRA: no sample was forgotten twice and never seen in {len(sides)} splits",
            "raise --splits, --forget-sets or --share",
        )
    ratios = [np.concatenate([pair[part].ratio for pair in sides]) for part in (0, 1)]
    right = layout.means(np.concatenate([_hits(ratios[0]), _hits(-ratios[1])]))
    samples = _samples(index, layout, weights, right)
    measured = {
        "accuracy": _of(layout, weights, right, (0.5, 0.5)),
        "auc": _auc(layout, weights, ratios),
        **{n: _tpr(layout, weights, ratios, r, len(samples["index"])) for n, r in FPRS.items()},
    }
    if statistic == CONFIDENCE:
        measured |= _of_rivals(layout, weights, rivals(shadows, len(index)), len(samples["index"]))
    counts = _counts(samples, index, shadows) | {"by_split": _by_split(layout, weights, right)}
    cells = _influences(layout, measured) | _first(layout, sides)
    return Findings(_scores(measured) | counts, {"samples": samples, "cells": cells})


def _of_rivals(
    layout: Layout, weights: Floats, scores: Mapping[str, Scores], samples: int
) -> dict[str, _Measured]:
    """AUC and TPR at 1 % of other attacks; their observations are U-LiRA's, one for one."""
    measured = {}
    for name, ratios in scores.items():
        measured[f"auc_{name}"] = _auc(layout, weights, ratios)
        measured[f"tpr_1_{name}"] = _tpr(layout, weights, ratios, FPRS["tpr_1"], samples)
    return measured


def _read(statistic: str, targets: Mapping[str, Source]) -> tuple[NDArray[np.int64], list[Shadow]]:
    """Dataset indices of all samples seen, and the models with positions among them."""
    raw = [_shadow(statistic, name, source()) for name, source in sorted(targets.items())]
    _check_together(raw)
    seen = np.zeros(1 + max(int(side.max()) for one in raw for side in (one.forgotten, one.never)), bool)
    for one in raw:
        seen[one.forgotten] = seen[one.never] = True
    position = np.cumsum(seen) - 1
    shadows = [replace(one, forgotten=position[one.forgotten], never=position[one.never]) for one in raw]
    return np.flatnonzero(seen), shadows


def reduced(outputs: Outputs) -> Outputs:
    """What an analysis takes of a model's outputs, in 5 bytes a picture: as good as the outputs themselves.

    Parts: `forget` and `never`, each with `index` (n,), the number of `classes` (1,), and by name of the
    statistic what it says (n,): float32, NaN where a logit is not finite.
    """
    return {part: _reduced(outputs[part]) for part in PARTS if part in outputs}


def _reduced(arrays: Part) -> Part:
    logits, labels = arrays["logits"], arrays["labels"]
    with np.errstate(invalid="ignore"):
        said = {name: of(logits, labels).astype(np.float32) for name, of in STATISTICS.items()}
    finite = np.isfinite(logits).all(axis=1)
    beside = {"index": arrays["index"], "classes": np.array([logits.shape[1]])}
    return beside | {name: np.where(finite, z, np.float32("nan")) for name, z in said.items()}


def _shadow(statistic: str, name: str, outputs: Outputs) -> Shadow:
    sides = [_side(statistic, name, part, outputs) for part in PARTS]
    (forgotten, forgotten_z, classes), (never, never_z, _) = sides
    return Shadow(int(name.partition("/")[0]), forgotten, never, forgotten_z, never_z, classes)


def _side(
    statistic: str, name: str, part: str, outputs: Outputs
) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
    """Dataset indices, what the statistic says there, and the number of classes."""
    where = f"U-LiRA: {part} of model {name}"
    if part not in outputs or not min(map(len, outputs[part].values())):
        raise UsageFailure(f"{where} is empty", "forget a larger share of each half")
    arrays = outputs[part]
    if "logits" in arrays:
        check(arrays["logits"], arrays["labels"], where)
        arrays = _reduced(arrays)
    z = arrays[statistic]
    if not np.isfinite(z).all():
        raise RunFailed(f"{where}: logits that are not finite", "the model has diverged; lower -p lr=...")
    return arrays["index"].astype(np.int64), z, int(arrays["classes"][0])


def _check_together(shadows: list[Shadow]) -> None:
    splits, classes = {one.split for one in shadows}, {one.classes for one in shadows}
    if len(splits) < LEAST_SPLITS:
        raise UsageFailure(
            f"U-LiRA needs {LEAST_SPLITS} splits to fit; there are {len(splits)}",
            f"--splits 16 (at least {LEAST_SPLITS})",
        )
    if len(classes) > 1:
        raise UsageFailure(
            f"U-LiRA: the models differ in their classes: {sorted(classes)}", "attack models of one dataset"
        )


def _weights(layout: Layout) -> Floats:
    """Of each cell: every sample that was scored on both sides counts the same, on either side 1 in all."""
    there = layout.grid(layout.count) > 0
    cells = there.sum(axis=1)
    both = np.all(cells > 0, axis=0)
    weights: Floats = there * (both / np.maximum(cells, 1) / max(1, both.sum()))[:, None, :]
    return weights.reshape(-1)


def _hits(ratio: Floats) -> Floats:
    """1 for a positive ratio, 0 for a negative one; no ratio either way is half a hit."""
    return (np.sign(ratio) + 1) / 2


def _samples(
    index: NDArray[np.int64], layout: Layout, weights: Floats, right: Floats
) -> dict[str, NDArray[Any]]:
    """Per sample that was scored on both sides: how often the ratio was `right`, a mean per cell."""
    counts = (layout.grid(weights) > 0).sum(axis=1)
    both = counts[0] > 0
    sums = layout.grid(weights * right).sum(axis=(0, 1))
    return {
        "index": index[both],
        "accuracy": sums[both] * both.sum() / 2,
        "forgotten": counts[0][both],
        "never": counts[1][both],
    }


def _by_split(layout: Layout, weights: Floats, right: Floats) -> list[float | None]:
    """Accuracy by number of split, either side counting half; None where one has no scored sample."""
    mass, hits = (layout.grid(cells).sum(axis=2) for cells in (weights, weights * right))
    with np.errstate(invalid="ignore"):
        shares = (hits / mass).mean(axis=0)
    ordered = shares[np.argsort(layout.splits)]
    return [float(share) if np.isfinite(share) else None for share in ordered]


@dataclass(frozen=True)
class _Measured:
    """A figure with its error and the influence of each cell on it; none where it cannot be resolved."""

    estimate: Estimate | None
    influence: Floats


def _auc(layout: Layout, weights: Floats, ratios: Sequence[Floats]) -> _Measured:
    own = _by_part(layout, weights)
    bins, count = _ranks(ratios)
    masses = [np.bincount(at, weight, count) for at, weight in zip(bins, own, strict=True)]
    below = [np.cumsum(mass) - mass / 2 for mass in masses]  # of the other part, ties counting half
    means = layout.means(np.concatenate([below[1][bins[0]], 1 - below[0][bins[1]]]))
    doubled = _of(layout, weights, means, (1.0, 1.0))
    assert doubled.estimate
    return _Measured(replace(doubled.estimate, value=doubled.estimate.value / 2), doubled.influence)


def _tpr(layout: Layout, weights: Floats, ratios: Sequence[Floats], rate: float, samples: int) -> _Measured:
    """Share of forgotten ratios above what a share `rate` of the others exceeds; by the delta method."""
    if samples * rate < 1:
        return _Measured(None, np.zeros(len(weights)))
    own = _by_part(layout, weights)

    def at(fpr: float) -> tuple[float, float]:
        limit = _threshold(ratios[1], own[1], fpr)
        return limit, float(own[0][ratios[0] > limit].sum())

    limit, value = at(rate)
    slope = (at(2 * rate)[1] - at(rate / 2)[1]) / (1.5 * rate)
    means = layout.means((np.concatenate(ratios) > limit).astype(np.float64))
    net = _of(layout, weights, means, (1.0, -slope))
    assert net.estimate
    return _Measured(replace(net.estimate, value=value), net.influence)


def _of(layout: Layout, weights: Floats, means: Floats, signs: tuple[float, float]) -> _Measured:
    """The weighted sum of both parts' means, each by its sign, with the influence of each cell."""
    mass, values = layout.grid(weights), layout.grid(means)
    sums = (mass * values).sum(axis=(1, 2))
    influence = (np.array(signs)[:, None, None] * mass * (values - sums[:, None, None])).reshape(-1)
    where, split, sample = layout.filled()
    return _Measured(estimate(float(sums @ signs), influence[where], split, sample), influence)


def _by_part(layout: Layout, weights: Floats) -> tuple[Floats, Floats]:
    """The weight of every forgotten observation, and of every one never seen."""
    each = (weights / np.maximum(layout.count, 1))[layout.of]
    return each[: layout.members], each[layout.members :]


def _ranks(ratios: Sequence[Floats]) -> tuple[Sequence[NDArray[np.int64]], int]:
    """The bin of every ratio of both parts, and their number; empty ones are left out where that is quick."""
    bins = [_binned(ratio) for ratio in ratios]
    if sum(map(len, bins)) > BINS:
        return bins, BINS
    filled, at = np.unique(np.concatenate(bins), return_inverse=True)
    return np.split(at, [len(bins[0])]), len(filled)


def _binned(ratios: Floats) -> NDArray[np.int64]:
    """The bin of each ratio, in order; fine about 0, and far ratios still apart: r / (1 + |r| / 4)."""
    squeezed = ratios / (1 + np.abs(ratios) / REACH)
    return ((squeezed / REACH + 1) * (BINS / 2)).astype(np.int64).clip(0, BINS - 1)


def _threshold(values: Floats, weights: Floats, share: float) -> float:
    """The value that at most a `share` of the weight exceeds; `share` is small."""
    kept = values >= np.quantile(values, 1 - min(1.0, 4 * share)) if len(values) > MANY else values > -np.inf
    order = np.argsort(values[kept])[::-1]
    exceeded = np.cumsum(weights[kept][order])
    place = min(int(np.searchsorted(exceeded, share, "right")), len(order) - 1)
    return float(values[kept][order][place])


def _scores(measured: Mapping[str, _Measured]) -> dict[str, float | None]:
    """Figures with the ends of their intervals, within 0..1; None where unknown."""
    scores: dict[str, float | None] = {}
    for name, one in measured.items():
        low, high = one.estimate.interval() if one.estimate else (None, None)
        scores |= {
            name: one.estimate.value if one.estimate else None,
            f"{name}_low": None if low is None else max(0.0, low),
            f"{name}_high": None if high is None else min(1.0, high),
        }
    return scores


def _influences(layout: Layout, measured: Mapping[str, _Measured]) -> dict[str, NDArray[Any]]:
    where, split, sample = layout.filled()
    return {
        "split": split.astype(np.int32),
        "sample": sample.astype(np.int32),
        **{
            name: one.influence[where].astype(np.float32)
            for name, one in measured.items()
            if not name.startswith("tpr")
        },
    }


def _first(layout: Layout, sides: Sequence[tuple[Side, Side]]) -> dict[str, NDArray[Any]]:
    """Of each filled cell whether the sample was forgotten, and what the first of its models said.

    One model of each split: models of one split share an original, and are no independent draws.
    """
    where, _, _ = layout.filled()
    said = np.concatenate([pair[part].z for part in (0, 1) for pair in sides])
    first = np.zeros(len(layout.count), np.float32)
    first[layout.of[::-1]] = said[::-1]
    return {"forgotten": where < len(layout.count) // 2, "statistic": first[where]}


def _counts(
    samples: Mapping[str, NDArray[Any]], index: NDArray[np.int64], shadows: Sequence[Shadow]
) -> dict[str, Any]:
    return {
        "accuracy_sd": float(samples["accuracy"].std(ddof=1)) if len(samples["accuracy"]) > 1 else None,
        "samples": len(samples["index"]),
        "unscored": len(index) - len(samples["index"]),
        "models": len(shadows),
        "splits": len({one.split for one in shadows}),
    }
