"""Seeds and forget specs as text, before anybody looks at the data; the defaults of the split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.typed import LARGEST, brief

VAL_SHARE = 0.15  # of the official training part
SPLIT_SEED = 123
DEFAULT_FORGET = "random:0.1"  # the benchmark's
CANARY_SHARE = 0.5  # of the forget set, that carries noise where canaries are asked for
CANARY_NOISE = 1.0  # its standard deviation, in those of the dataset's pixels
CANARY_SEED = 0
EXTREMES = HARDEST, EASIEST = "hardest", "easiest"  # by scores of memorisation
MOST_COUNTED = 1_000_000  # trials of a search, and all else that is counted there
MOST_SEEDS = 10_000  # of one command: a run of each must be made
RUN_SEED = "{seed}"  # stands for the seed of the run, so that every run draws a forget set of its own


def check_count(name: str, value: int, least: int, most: int = MOST_COUNTED, cure: str = "") -> None:
    """Refuse a number of things that is too small, or that no machine makes.

    Args:
        name: of the option or key, as it stands before a value.
        cure: the hint, where another is better than the option with a number that will do.

    Raises:
        UsageFailure: saying what would do.
    """
    if not least <= value <= most:
        limit = f"{least} or more" if value < least else f"{most} or less"
        raise UsageFailure(f"{name} {value} is not {limit}", cure or f"{name} {max(least, 1)}, say")


def read_seeds(text: str) -> list[int]:
    """`0-9`, `0,2,5` or `7` as a list of seeds.

    Raises:
        UsageFailure: anything else, or an empty or repeated range.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if not match:
            raise UsageFailure(f"--seeds {text!r} is not a list of seeds", "--seeds 0-9 or --seeds 0,2,5")
        seeds += _range(match[1], match[2] or match[1])
        if len(seeds) > MOST_SEEDS:
            raise _too_many(text)
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageFailure(f"--seeds {text!r} is empty or names a seed twice", "--seeds 0-9, say")
    return seeds


def _range(first: str, last: str) -> range:
    """The seeds from `first` to `last`, a list of none where either is longer than any number that is one."""
    if max(len(first), len(last)) > len(str(LARGEST)) or int(last) > LARGEST:
        raise UsageFailure(f"--seeds: {last[:20]}... is no seed", f"seeds are from 0 to {LARGEST}")
    seeds = range(int(first), int(last) + 1)
    if seeds.stop - seeds.start > MOST_SEEDS:
        raise _too_many(f"{first}-{last}")
    return seeds


def _too_many(text: str) -> UsageFailure:
    return UsageFailure(f"--seeds {brief(text)} are more than {MOST_SEEDS}", "--seeds 0-9, say")


def read_duration(text: str, option: str = "--timeout ") -> float:
    """`90`, `90s`, `10m`, `1h30m` in seconds.

    Raises:
        UsageFailure: anything else, or no time at all.
    """
    match = re.fullmatch(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s?)?", text.strip())
    hours, minutes, seconds = (int(part or 0) for part in (match.groups() if match else (0, 0, 0)))
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise UsageFailure(f"{option}{text!r} is not a time", f"{option}10m, 90s or 1h30m")
    return float(total)


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


def drawn_at_random(spec: str) -> bool:
    """Whether a spec draws pictures at random, or at random within classes, or takes whole ones.

    Then no picture is chosen for what it shows. Lists, the hardest, and twins that join are chosen.
    """
    form, _, argument = spec.partition(":")
    return random_share(spec) is not None or (form == "class" and not argument.endswith(" with duplicates"))


def together(specs: Sequence[str]) -> str:
    """The name of the union of forget sets: `random:0.1 + class:3`, and `2 x random:0.1` of equal names."""
    return " + ".join(_counted(specs))


def each_of(spec: str) -> list[str]:
    """The names that `together` joined."""
    return [re.sub(r"^\d+ x ", "", one) for one in spec.split(" + ")]


def following(spec: str, earlier: Sequence[str]) -> str:
    """The name of a request behind earlier ones, the newest first: `class:3 after random:0.1`."""
    return f"{spec} after {', '.join(_counted(earlier))}" if earlier else spec


def _counted(specs: Sequence[str]) -> list[str]:
    """Names in their order; where several in a row are equal, once with their number."""
    groups = [(name, len(list(same))) for name, same in groupby(specs)]
    return [name if count == 1 else f"{count} x {name}" for name, count in groups]


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
