"""Which of several methods can be told apart, from figures of the same seeds.

Two methods that are alike differ by chance, one way on one seed and the other way on the next: whoever turns
the sign of a seed's differences gets figures that were as likely. So every pattern of signs is tried, and a
pair of methods is told apart if no more than a few of them give any pair so clear a difference (sign-flip
test; step-down maximum over all pairs: Westfall and Young 1993, *Resampling-Based Multiple Testing*,
algorithm 2.8). It holds for any distribution of figures, and for the table as a whole. Whether a method is
better than a control is one such question by itself, of one side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.recipe import stream_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

LEAST_SEEDS = 5  # fewer have too few patterns of signs for any difference to be surprising
FALSE_SPLITS = (
    2 / 2**LEAST_SEEDS
)  # share of tables of alike methods that may part some: what five seeds reach
FALSE_GAINS = FALSE_SPLITS  # share of methods that are no better than a control and are found to be
LEAST_GAINS = 4  # seeds: fewer have too few patterns for that
PATTERNS = 1024  # of signs: all of them where there are no more, else so many drawn ones
TIE = 1e-12  # differences below are rounding


def apart(figures: Sequence[Floats]) -> NDArray[np.bool_]:
    """Which of m methods can be told apart: a symmetric matrix (m, m).

    A false split is in at most 1 of 16 tables, however many methods are alike.

    Args:
        figures: an array (seeds, m) per setting (dataset, model, forget set): infinite where a method failed,
            which is worse than any figure, and NaN where it was not run. Settings count alike, whatever the
            size of their differences.
    """
    import numpy as np

    methods = figures[0].shape[1]
    first, second = np.triu_indices(methods, 1)
    differences = np.concatenate([_differences(one[:, first], one[:, second]) for one in figures])
    found = np.zeros((methods, methods), dtype=np.bool_)
    if len(first):
        found[first, second] = _adjusted(_clarity(differences)) <= FALSE_SPLITS
    split: NDArray[np.bool_] = found | found.T
    return split


def better(figures: Sequence[Floats], control: Sequence[Floats]) -> NDArray[np.bool_]:
    """Which of m methods are better (less) than a control on the same seeds: an array (m,).

    Each is asked by itself: of those that are no better, 1 in 16 is found to be. Nobody is with fewer than
    four seeds in all.

    Args:
        figures: as `apart` takes them.
        control: its figures, an array (seeds,) per setting.
    """
    import numpy as np

    gains = np.concatenate(
        [_differences(own[:, None], ours) for own, ours in zip(control, figures, strict=True)]
    )
    flipped = _signs(len(gains)) @ gains
    there = flipped[0] - TIE * len(gains)  # the first pattern is that of no change
    as_clear = (flipped >= there).mean(axis=0) / 2 + (-flipped >= there).mean(axis=0) / 2
    found: NDArray[np.bool_] = as_clear <= FALSE_GAINS
    return found


def _differences(ours: Floats, theirs: Floats) -> Floats:
    """Of each seed and pair of methods (seeds, pairs), scaled to a root mean square of 1 over the seeds.

    A failure beside a figure is as large a difference as the largest of the pair; two failures are none.
    """
    import numpy as np

    with np.errstate(invalid="ignore"):
        found = np.nan_to_num(ours - theirs, nan=0.0, posinf=np.inf, neginf=-np.inf)
    found[np.abs(found) < TIE] = 0
    largest = np.where(np.isinf(found), 0, np.abs(found)).max(axis=0)
    largest[largest == 0] = 1
    found = np.clip(found, -largest, largest)
    size = np.sqrt((found**2).mean(axis=0))
    scaled: Floats = found / np.where(size > 0, size, 1)
    return scaled


def _clarity(differences: Floats) -> Floats:
    """How clear each pair's difference is, 0 to 1, with each pattern of signs (patterns, pairs); own first.

    It is |sum d| / sqrt(n sum d^2), which grows with Student's t and never divides by a variance of 0.
    """
    import numpy as np

    n = len(differences)
    size = np.sqrt(n * (differences**2).sum(axis=0))
    clear: Floats = np.abs(_signs(n) @ differences) / np.where(size > 0, size, 1)
    return clear


def _signs(n: int) -> Floats:
    """Patterns of signs (patterns, n), the one of no change first; a pattern and its mirror are one."""
    import numpy as np

    if 2 ** (n - 1) <= PATTERNS:
        return np.array([(1.0, *rest) for rest in product((1.0, -1.0), repeat=n - 1)])
    drawn: Floats = np.random.default_rng(stream_seed(n, "signs")).choice([1.0, -1.0], (PATTERNS, n))
    drawn[0] = 1
    return drawn


def _adjusted(clear: Floats) -> Floats:
    """The p-value of each pair, adjusted for all: how often some pair no clearer than it is as clear."""
    import numpy as np

    order = np.argsort(clear[0], kind="stable")
    clearest = np.maximum.accumulate(clear[:, order], axis=1)
    p = (clearest >= clear[0, order] * (1 - TIE) - TIE).mean(axis=0)
    found: Floats = np.empty_like(p)
    found[order] = np.maximum.accumulate(p[::-1])[::-1]
    return found
