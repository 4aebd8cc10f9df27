"""What one model's outputs say of the epsilon with which it was unlearned: a lower bound.

A guarantee (`core.guarantee`) compares two random models: P, which the method makes of an original that was
trained on the forget set, and some Q that is made without it. For every set O of models P(O) <= e^epsilon
Q(O) + delta. Which O may a single model, drawn from P, be held against?

- Not "an attack tells it from the retrained model": Q is whatever the proof says, and may be as unlike
  the retrained model as it likes.
- Not "the attack's TPR is more than e^epsilon times its FPR", as in audits of training (Jagielski et al.
  2020, arXiv 2006.07709; Nasr et al. 2023, arXiv 2302.07956). There every model tosses a new coin of who
  was a member; here one was tossed for all forgotten pictures together, and pictures of one model are no
  independent trials of it. And the FPR is to be Q's, which nobody has: P's may differ by e^epsilon again.

But of Q, whatever it is, one thing is known: it never saw the forgotten pictures. If they and some others
that it never saw were drawn at random from one population, then for Q they are exchangeable, within each
class too. A permutation test of that has a p-value with Q(p <= t) <= t. Take O = {p <= t}:

    P(p <= t) <= e^epsilon t + delta,

so for ANY method with the guarantee log((beta - delta) / p) exceeds epsilon with probability beta at most: a
lower bound at the level 1 - beta, from one model. (It is the trade-off between the errors of a test:
Wasserman and Zhou 2010, theorem 2.4.) The forgotten pictures count together, as in the definition, so a clear
leak gives a large bound: p = 1e-20 means at least 43.

The test: share q of all pictures with the largest scores, for each q of `SHARES`; how many of them are
forgotten ones, given the classes, is a sum of hypergeometric numbers, whose tails are exact. The cuts are
ranks of all pictures together, which do not know who was forgotten; both tails of all cuts are one family
(Bonferroni).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.guarantee import Guarantee
from deepunlearn_cli.evaluation.equivalence import ALPHA

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.floating[Any]]
    Labels = NDArray[np.integer[Any]]

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99)  # above each cut
LEAST = 1e-300  # of a chance that a float holds well: no bound is above 687


@dataclass(frozen=True)
class Claim:
    """A guarantee beside what an audit found.

    Attributes:
        epsilon, delta: as claimed.
        low: what epsilon is at least, with 95 % confidence; 0: nothing was found; None: no bound, see `why`.
        forget, unseen: pictures of either side; `against` says of which part the unseen ones are.
        models: how many were looked at, each with so many pictures or fewer.
    """

    epsilon: float
    delta: float
    low: float | None = None
    forget: int = 0
    unseen: int = 0
    against: str = ""
    why: str = ""
    models: int = 1

    @property
    def broken(self) -> bool:
        """Whether the bound exceeds the claim: an error of ours or the paper's, but for chance."""
        return self.low is not None and self.low > self.epsilon


def least_epsilon(log_p: float, delta: float, beta: float = ALPHA) -> float:
    """The lower bound of epsilon at the level 1 - `beta`, from the log of a p-value."""
    return max(0.0, math.log(beta - delta) - log_p) if delta < beta else 0.0


def held_against(
    promise: Guarantee, forget: tuple[Scores, Labels], unseen: tuple[Scores, Labels], against: str
) -> Claim:
    """A guarantee beside the bound from scores (n,) and labels (n,) of both sides."""
    return together(promise, [log_p_value(*forget, *unseen)], (len(forget[0]), len(unseen[0])), against)


def together(promise: Guarantee, logs: Sequence[float], sizes: tuple[int, int], against: str) -> Claim:
    """A guarantee beside the bound from the logs of p-values of some models, each made by itself.

    The smallest of m is small m times as often, with the guarantee m (e^epsilon t + delta) times at most.
    """
    low = least_epsilon(min(logs) + math.log(len(logs)), len(logs) * promise.delta)
    return Claim(promise.epsilon, promise.delta, low, *sizes, against, models=len(logs))


def log_p_value(forget: Scores, forget_labels: Labels, unseen: Scores, unseen_labels: Labels) -> float:
    """The log of a valid p-value of "within each class, both sides are exchangeable".

    Ties at a cut lie above it together, which is a cut as good as any.
    """
    import numpy as np

    scores, labels = np.concatenate([forget, unseen]), np.concatenate([forget_labels, unseen_labels])
    member = np.arange(len(scores)) < len(forget)
    ordered = np.sort(scores)
    cuts = {ordered[-max(1, round(share * len(scores)))] for share in SHARES}
    found = [0.0]
    for cut in cuts:
        above = scores >= cut
        found += _tails(
            int((above & member).sum()),
            [_counted(labels == one, above, member) for one in set(labels.tolist())],
        )
    return min(0.0, min(found) + math.log(2 * len(cuts)))


def _counted(of_class: Any, above: Any, member: Any) -> tuple[int, int, int]:
    """Of a class: pictures, forgotten ones, pictures above the cut."""
    return int(of_class.sum()), int((of_class & member).sum()), int((of_class & above).sum())


def _tails(count: int, classes: list[tuple[int, int, int]]) -> list[float]:
    """Logs of the chances of at least, and at most, so many forgotten pictures above a cut."""
    import numpy as np

    chances = np.ones(1)
    for total, members, above in classes:
        chances = np.convolve(chances, _hypergeometric(total, members, above))
    sums = chances[count:].sum(), chances[: count + 1].sum()
    return [math.log(min(1.0, max(float(one), LEAST))) for one in sums]


def _hypergeometric(total: int, members: int, above: int) -> NDArray[np.float64]:
    """The chances of 0, 1, ... members among `above` of `total` pictures that are drawn at random."""
    import numpy as np
    from scipy.special import gammaln

    def ways(
        n: int, k: NDArray[np.int64]
    ) -> NDArray[np.float64]:  # log; of what there is none minus infinity
        found: NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return found

    k = np.arange(min(members, above) + 1)
    whole = ways(total, np.array([above]))
    chances: NDArray[np.float64] = np.exp(ways(members, k) + ways(total - members, above - k) - whole)
    return chances
