"""Forget specs as text: what they say before anybody looks at the data; the defaults of the split."""

from __future__ import annotations

VAL_SHARE = 0.15  # of the official training part
SPLIT_SEED = 123
DEFAULT_FORGET = "random:0.1"  # the benchmark's
EXTREMES = HARDEST, EASIEST = "hardest", "easiest"  # by scores of memorisation
RUN_SEED = "{seed}"  # stands for the seed of the run, so that every run draws a forget set of its own


def for_run(spec: str, seed: int) -> str:
    """The spec of a run of this seed: `random:0.1:{seed}` is `random:0.1:7` for seed 7.

    Draws of one seed are nested: the smaller fraction is a part of the larger.
    """
    return spec.replace(RUN_SEED, str(seed))


def across_runs(spec: str, seed: int) -> str | None:
    """What `for_run` made `spec` of, where it is a random draw with the run's own seed; else None."""
    form, _, drawn = spec.rpartition(":")
    return f"{form}:{RUN_SEED}" if form.startswith("random:") and drawn == str(seed) else None


def random_share(spec: str) -> float | None:
    """The fraction of the training part that `random:FRACTION[:SEED]` draws; None for other forms."""
    form, _, argument = spec.partition(":")
    return _fraction(argument.partition(":")[0]) if form == "random" else None


def likely_share(spec: str, classes: int) -> float | None:
    """About which fraction of the training part a spec asks for, with classes of one size.

    None for a list: that takes a look at the file.
    """
    form, _, argument = spec.partition(":")
    if form in EXTREMES:
        return _fraction(argument.partition(":")[0])
    if form != "class":
        return random_share(spec)
    within = _fraction(spec.rpartition(":")[2])  # `class:3:0.5`; a class's own number is no fraction
    return (within or 1.0) / classes


def _fraction(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1 else None
