"""The notes below Table 1: what failed, what is missing, what is noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from deepunlearn_cli.evaluation.separation import FALSE_SPLITS, LEAST_SEEDS
from deepunlearn_cli.reporting.certainty import MOST
from deepunlearn_cli.reporting.groups import LEAST_METHODS, Groups, are_grouped, missing
from deepunlearn_cli.reporting.measures import Measure
from deepunlearn_cli.reporting.pairs import (
    MethodKey,
    Pair,
    by_reason,
    common_notes,
    is_control,
    left_out,
    shortened,
    unpaired,
)
from deepunlearn_cli.reporting.spreads import noise
from deepunlearn_cli.reporting.table import UNKNOWN, Row


def rank_notes(
    every: Sequence[Pair],
    compared: Sequence[Pair],
    measures: Sequence[Measure],
    grouped: Mapping[str, Sequence[Groups]],
    linkage: str,
) -> list[str]:
    """Everything that a reader must know to trust Table 1, a sentence each; `grouped` by measure's name."""
    failed = [text for pair in compared for key in pair.methods for text in _failure(pair, key)]
    of_measures = [note for one in measures for note in _measure_notes(one, compared, grouped[one.name])]
    return [
        *left_out(every),
        *unpaired(compared, "the ranking"),
        *shortened(failed),
        *of_measures,
        *_partial(compared),
        *_grouping(compared, grouped, linkage),
        *common_notes(every),
    ]


def firm_notes(rows: Sequence[Row], measures: Sequence[Measure]) -> list[str]:
    """How to read intervals and letters, and whose group hangs on the linkage."""
    told = any(row[f"{one.key}_letters"] is not None for row in rows for one in measures)
    notes = [_letter_note(measures[0].over, told=told)]
    for one in measures:
        shaky = [row for row in rows if (row[f"{one.key}_kept"] or 1) < 1]
        shares = ", ".join(f"{row['label']} {row[f'{one.key}_kept']:.0%}" for row in shaky)
        if shaky:
            notes.append(f"{one.title} groups that hang on the linkage (share of all four): {shares}")
    return notes


def _letter_note(drawn: str, *, told: bool) -> str:
    if not told:
        return (
            f"no letters and no rank intervals: they take {LEAST_SEEDS} {drawn} on every pair, and say more "
            f"with ten; and at most {MOST} configurations"
        )
    return (
        "rank (90 % interval) and letters: methods that share a letter cannot be told apart by a sign-"
        f"flip test over {drawn}, which splits equal ones in 1 table of {1 / FALSE_SPLITS:.0f} at most"
    )


def _failure(pair: Pair, key: MethodKey) -> list[str]:
    if is_control(key) or not (seeds := missing(pair, key)):
        return []
    runs = pair.methods[key]
    why = by_reason({seed: runs[seed].fault if seed in runs else "not run" for seed in seeds})
    label = next(iter(runs.values())).label
    return [f"F: {label} on {pair.label} has no usable model for seed {why}"]


def _measure_notes(measure: Measure, compared: Sequence[Pair], grouped: Sequence[Groups]) -> list[str]:
    """What a measure brings to the table: where it has no meaning, what its noise is, who lacks a figure."""
    blank = [
        f"{measure.title} is undefined on {pair.label}: {why}"
        for pair in compared
        if (why := next(filter(None, map(measure.undefined, pair.retrained.values())), ""))
    ]
    return [
        *shortened(blank),
        *(_noise_notes(measure, compared) if measure.noisy else []),
        *(_absent(measure, compared, grouped) if measure.absent else []),
    ]


def _noise_notes(measure: Measure, compared: Sequence[Pair]) -> list[str]:
    lone = [
        f"no retrain-to-retrain noise on {pair.label}: it takes retrained models of two seeds"
        for pair in compared
        if len(pair.retrained) < 2
    ]
    return [*shortened(lone), *_floors(measure, compared)]


def _floors(measure: Measure, compared: Sequence[Pair]) -> list[str]:
    floors = sorted(floor for pair in compared if not math.isnan(floor := noise(pair, measure)))
    if not floors:
        return []
    span = f"{floors[0]:.4f}" + (f" to {floors[-1]:.4f}, by pair" if len(floors) > 1 else "")
    everywhere = " on every pair" if len(compared) > 1 else ""
    return [
        f"≈ {measure.title} within retrain-to-retrain noise{everywhere}: what 95 % of the pairs of retrained "
        f"models of two seeds stay within ({span})"
    ]


def _absent(measure: Measure, compared: Sequence[Pair], grouped: Sequence[Groups]) -> list[str]:
    """The runs without a figure that keep a method out of the groups."""
    runs = [
        run
        for pair, one in zip(compared, grouped, strict=True)
        for key, method in one.items()
        if method.group is None and method.spread.n < len(pair.retrained)
        for run in pair.methods[key].values()
        if run.usable and run.seed in pair.retrained and run.id not in method.spread.ids
    ]
    more = f" (and {len(runs) - 1} more)" if len(runs) > 1 else ""
    return [f"{measure.title} {UNKNOWN}: {measure.lacking(runs[0])}{more}"] if runs else []


def _partial(compared: Sequence[Pair]) -> list[str]:
    """Counts over fewer pairs cannot be compared with counts over all."""
    labels = {key: next(iter(runs.values())).label for p in compared for key, runs in p.methods.items()}
    counts = {
        label: sum(key in pair.methods for pair in compared)
        for key, label in labels.items()
        if not is_control(key)
    }
    return shortened(
        [
            f"{label} has runs on {n} of {len(compared)} pairs only"
            for label, n in counts.items()
            if n < len(compared)
        ]
    )


def _grouping(compared: Sequence[Pair], grouped: Mapping[str, Sequence[Groups]], linkage: str) -> list[str]:
    """How groups are made, and which pairs have too few methods for some."""
    places = range(len(compared))
    bare = [compared[i] for i in places if not any(are_grouped(of[i]) for of in grouped.values())]
    why = f"they take {LEAST_METHODS} methods with a figure on every seed"
    notes = shortened([f"no groups on {pair.label}: {why}" for pair in bare])
    controls = "do nothing and retrained are controls"
    if len(bare) == len(compared):
        return [*notes, controls]
    return [
        *notes,
        f"groups: agglomerative clustering of the means over seeds, {linkage} linkage; G1 best, F failed "
        f"for a seed; rank by (G1, G2, G3) counts; {controls}",
    ]
