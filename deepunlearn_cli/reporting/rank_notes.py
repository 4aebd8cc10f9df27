"""The notes below Table 1: what failed, what is missing, what is noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from deepunlearn_cli.reporting.certainty import LEAST_SEEDS, MOST, RESAMPLES
from deepunlearn_cli.reporting.cohort import (
    UNKNOWN,
    Cohort,
    Key,
    common_notes,
    is_control,
    left_out,
    shortened,
)
from deepunlearn_cli.reporting.measures import RETDEV, Measure, noise, undefined
from deepunlearn_cli.reporting.standings import Board, missing


def rank_notes(
    found: Sequence[Cohort], compared: Sequence[Cohort], boards: Mapping[str, Sequence[Board]], linkage: str
) -> list[str]:
    """Everything that a reader must know to trust Table 1, a sentence each."""
    failed = [text for cohort in compared for key in cohort.methods for text in _failure(cohort, key)]
    return [
        *left_out(found),
        *shortened(failed),
        *(_noise_notes(compared) if "retdev" in boards else []),
        *(_attack_notes(compared, boards["indisc"]) if "indisc" in boards else []),
        *_partial(compared),
        _clustering(linkage),
        *common_notes(found),
    ]


def firm_notes(rows: Sequence[Mapping[str, Any]], measures: Mapping[str, Measure]) -> list[str]:
    """How to read intervals and letters, and whose group hangs on the linkage."""
    notes = []
    drawn = "splits" if "ulira" in measures else "seeds"
    if any(row[f"{name}_rank_low"] is not None for row in rows for name in measures):
        notes.append(
            f"rank (90 % interval over {RESAMPLES} draws of the {drawn}) and letters: methods that share a "
            "letter cannot be told apart"
        )
    else:
        notes.append(
            f"no rank intervals: they take {LEAST_SEEDS} {drawn}, and say more with ten; and at most {MOST} "
            "configurations"
        )
    for name, measure in measures.items():
        shaky = [row for row in rows if (row[f"{name}_kept"] or 1) < 1]
        said = ", ".join(f"{row['label']} {row[f'{name}_kept']:.0%}" for row in shaky)
        if shaky:
            notes.append(f"{measure.title} groups that hang on the linkage (share of all four): {said}")
    return notes


def _failure(cohort: Cohort, key: Key) -> list[str]:
    if is_control(key) or not (seeds := missing(cohort, key)):
        return []
    runs = cohort.methods[key]
    why = [f"{s} ({runs[s].reason or 'no finite scores'})" if s in runs else f"{s} (not run)" for s in seeds]
    label = next(iter(runs.values())).label
    return [f"F: {label} on {cohort.label} has no usable model for seed {', '.join(why)}"]


def _noise_notes(compared: Sequence[Cohort]) -> list[str]:
    blank = [
        f"RetDev is undefined on {c.label}: a retrained model has an accuracy of 0"
        for c in compared
        if undefined(c)
    ]
    lone = [
        f"no retrain-to-retrain noise on {c.label}: it takes retrained models of two seeds"
        for c in compared
        if len(c.retrained) < 2
    ]
    return [*shortened(blank), *shortened(lone), *_floors(compared)]


def _floors(compared: Sequence[Cohort]) -> list[str]:
    floors = sorted(floor for c in compared if not math.isnan(floor := noise(c, RETDEV)))
    if not floors:
        return []
    told = f"{floors[0]:.4f}" + (f" to {floors[-1]:.4f}, by pair" if len(floors) > 1 else "")
    everywhere = " on every pair" if len(compared) > 1 else ""
    return [
        f"≈ RetDev within retrain-to-retrain noise{everywhere}: what 95 % of the pairs of retrained models "
        f"of two seeds stay within ({told})"
    ]


def _attack_notes(compared: Sequence[Cohort], boards: Sequence[Board]) -> list[str]:
    ids = [
        run.id
        for cohort, board in zip(compared, boards, strict=True)
        for key, standing in board.items()
        if standing.group is None and standing.spread.n < len(cohort.retrained)
        for run in cohort.methods[key].values()
        if run.usable and run.seed in cohort.retrained and run.umia is None
    ]
    more = f" (and {len(ids) - 1} more)" if len(ids) > 1 else ""
    return [f"Indisc {UNKNOWN}: not attacked yet; deepunlearn attack umia {ids[0]}{more}"] if ids else []


def _partial(compared: Sequence[Cohort]) -> list[str]:
    """Counts over fewer pairs cannot be compared with counts over all."""
    keys = {key: next(iter(runs.values())).label for c in compared for key, runs in c.methods.items()}
    held = {keys[key]: sum(key in c.methods for c in compared) for key in keys if not is_control(key)}
    return shortened(
        [
            f"{label} has runs on {n} of {len(compared)} pairs only"
            for label, n in held.items()
            if n < len(compared)
        ]
    )


def _clustering(linkage: str) -> str:
    return (
        f"groups: agglomerative clustering of the means over seeds, {linkage} linkage; G1 best, "
        "F failed for a seed; rank by (G1, G2, G3) counts; original and retrain are controls"
    )
