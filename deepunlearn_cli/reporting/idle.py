"""Which methods are no better than doing nothing: beside the original, judged as if it had been unlearned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.evaluation.separation import FALSE_GAINS, LEAST_GAINS, better
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import MethodKey, Pair, Runs, is_control, shortened

NOTHING: MethodKey = (DO_NOTHING, "")

Figures = Mapping[int, float]  # of one method and pair, by seed
Known = Mapping[MethodKey, Figures]  # of one pair


def idle(compared: Sequence[Pair], measure: Measure) -> dict[MethodKey, bool]:
    """Of every method beside a do-nothing model: whether it is not shown to be better than that.

    On the seeds of the do-nothing models, over all pairs that have some; fewer than four in all show nothing,
    and there the means decide.
    """
    beside = [known for pair in compared if (known := _beside(pair, measure))[NOTHING]]
    keys = sorted({key for known in beside for key in known} - {NOTHING})
    if not keys:
        return {}
    asked = _shown if sum(len(known[NOTHING]) for known in beside) >= LEAST_GAINS else _by_means
    return {key: not gains for key, gains in asked(beside, keys).items()}


def idle_notes(compared: Sequence[Pair], measures: Sequence[Measure], *, marked: bool) -> list[str]:
    """What the mark means, and where there is nothing to compare with."""
    lacking = [pair for pair in compared if NOTHING not in pair.methods and pair.has_starts]
    notes = shortened([f"no do-nothing model on {one.label}: {one.cure(DO_NOTHING)}" for one in lacking])
    if not marked:
        return notes
    drawn = measures[0].over
    counted = min(sum(len(_own(pair, one)) for pair in compared) for one in measures)
    rule = f"fewer than {LEAST_GAINS} {drawn} tell no more than the means do"
    if counted >= LEAST_GAINS:
        missed = f"1 in {1 / FALSE_GAINS:.0f} that do nothing is not marked"
        rule = f"sign-flip test over {drawn}, each method by itself: {missed}"
    return [f"† not shown to be better than doing nothing ({rule})", *notes]


def _own(pair: Pair, measure: Measure) -> Figures:
    """What doing nothing gets, on the seeds on which that is known."""
    runs = pair.methods.get(NOTHING, {})
    figures = {seed: _figure(runs, seed, pair, measure) for seed in pair.retrained}
    return {seed: figure for seed, figure in figures.items() if math.isfinite(figure)}


def _beside(pair: Pair, measure: Measure) -> dict[MethodKey, Figures]:
    """The figures of a pair's methods on the seeds on which doing nothing has one; its own among them."""
    own = _own(pair, measure)
    others = {
        key: {seed: _figure(runs, seed, pair, measure) for seed in own}
        for key, runs in pair.methods.items()
        if own and not is_control(key)
    }
    known = {key: of for key, of in others.items() if not all(map(math.isnan, of.values()))}
    return {NOTHING: own, **known}


def _figure(runs: Runs, seed: int, pair: Pair, measure: Measure) -> float:
    """Less is better; infinite for a model that is not usable, NaN for none."""
    if seed not in runs:
        return math.nan
    figure = measure.of(runs[seed], pair.retrained[seed]) if runs[seed].usable else math.inf
    return figure if measure.lower or math.isinf(figure) else -figure


def _shown(beside: Sequence[Known], keys: Sequence[MethodKey]) -> Mapping[MethodKey, bool]:
    import numpy as np

    control = [np.array([*known[NOTHING].values()]) for known in beside]
    figures = [
        np.array([[known.get(key, {}).get(seed, math.nan) for key in keys] for seed in known[NOTHING]])
        for known in beside
    ]
    return dict(zip(keys, better(figures, control).tolist(), strict=True))


def _by_means(beside: Sequence[Known], keys: Sequence[MethodKey]) -> Mapping[MethodKey, bool]:
    """By the mean gain over the seeds that both have, on every pair."""
    return {key: all(_gain(known[NOTHING], known[key]) for known in beside if key in known) for key in keys}


def _gain(own: Figures, figures: Figures) -> bool:
    gains = [own[seed] - figure for seed, figure in figures.items() if not math.isnan(figure)]
    return all(map(math.isfinite, gains)) and math.fsum(gains) > 0
