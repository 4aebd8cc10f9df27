"""Which methods are no better than doing nothing: beside the original, judged as if it had been unlearned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.evaluation.separation import FALSE_GAINS, LEAST_GAINS, better
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import MethodKey, Pair, Runs, is_control, shortened

NOTHING: MethodKey = (DO_NOTHING, "")


def idle(compared: Sequence[Pair], measure: Measure) -> dict[MethodKey, bool]:
    """Of every method beside a do-nothing model: whether it is not shown to be better than that.

    On the seeds of the do-nothing models, over all pairs that have some; fewer than four in all show nothing,
    and there the means decide.
    """
    beside = [pair for pair in compared if _known(pair, measure)]
    keys = sorted({key for pair in beside for key in pair.methods if _is_beside(key, pair, measure)})
    if not keys:
        return {}
    seeds = sum(len(_known(pair, measure)) for pair in beside)
    shown = _shown(beside, measure, keys) if seeds >= LEAST_GAINS else _by_means(beside, measure, keys)
    return {key: not gains for key, gains in shown.items()}


def idle_notes(compared: Sequence[Pair], measures: Sequence[Measure], *, marked: bool) -> list[str]:
    """What the mark means, and where there is nothing to compare with."""
    lacking = [pair for pair in compared if NOTHING not in pair.methods and pair.has_starts]
    notes = shortened([f"no do-nothing model on {one.label}: {one.cure(DO_NOTHING)}" for one in lacking])
    if not marked:
        return notes
    drawn = measures[0].over
    counted = min(sum(len(_known(pair, one)) for pair in compared) for one in measures)
    rule = f"fewer than {LEAST_GAINS} {drawn} tell no more than the means do"
    if counted >= LEAST_GAINS:
        missed = f"1 in {1 / FALSE_GAINS:.0f} that do nothing is not marked"
        rule = f"sign-flip test over {drawn}, each method by itself: {missed}"
    return [f"† not shown to be better than doing nothing ({rule})", *notes]


def _known(pair: Pair, measure: Measure) -> dict[int, float]:
    """What doing nothing gets on each seed (less is better)."""
    runs = pair.methods.get(NOTHING, {})
    figures = {seed: _figure(runs, seed, pair, measure) for seed in pair.retrained}
    return {seed: figure for seed, figure in figures.items() if math.isfinite(figure)}


def _is_beside(key: MethodKey, pair: Pair, measure: Measure) -> bool:
    """Whether a method has a figure, or failed, where doing nothing has one."""
    seeds = _known(pair, measure)
    return not is_control(key) and any(
        not math.isnan(_figure(pair.methods[key], seed, pair, measure)) for seed in seeds
    )


def _figure(runs: Runs, seed: int, pair: Pair, measure: Measure) -> float:
    """Infinite for a model that is not usable, NaN for none."""
    if seed not in runs:
        return math.nan
    figure = measure.of(runs[seed], pair.retrained[seed])
    return (figure if measure.lower else -figure) if runs[seed].usable else math.inf


def _shown(beside: Sequence[Pair], measure: Measure, keys: Sequence[MethodKey]) -> Mapping[MethodKey, bool]:
    import numpy as np

    figures, control = [], []
    for pair in beside:
        known = _known(pair, measure)
        control.append(np.array(list(known.values())))
        of = [[_figure(pair.methods.get(key, {}), seed, pair, measure) for seed in known] for key in keys]
        figures.append(np.array(of).T)
    return dict(zip(keys, better(figures, control).tolist(), strict=True))


def _by_means(
    beside: Sequence[Pair], measure: Measure, keys: Sequence[MethodKey]
) -> Mapping[MethodKey, bool]:
    """By the mean gain over the seeds that both have, on every pair."""
    return {key: all(_gain(pair, measure, key) for pair in beside if key in pair.methods) for key in keys}


def _gain(pair: Pair, measure: Measure, key: MethodKey) -> bool:
    gains = [
        own - figure
        for seed, own in _known(pair, measure).items()
        if not math.isnan(figure := _figure(pair.methods[key], seed, pair, measure))
    ]
    return all(map(math.isfinite, gains)) and math.fsum(gains) > 0
