"""Random halves of the training part, for attacks that need many models (U-LiRA).

As the Deep Unlearn benchmark draws them: half number `n` by a NumPy generator of seed `n`, and within a half
forget set number `j` by one of seed `j`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.data._dataset import Indices
from deepunlearn_cli.data._forget import ForgetSet, forget_by_index
from deepunlearn_cli.data._splits import Split


def halve(split: Split, number: int) -> tuple[Split, Indices]:
    """The split with half number `number` of its training part, and the other half: never seen."""
    order = np.random.default_rng(number).permutation(split.train)
    middle = len(order) // 2
    return replace(split, train=order[:middle]), order[middle:]


def draw_forget(half: Split, share: float, number: int) -> ForgetSet:
    """Forget set number `number` of a half: `share` of its training part.

    Raises:
        UsageFailure: a share that leaves nothing to forget, or nothing to retain.
    """
    order = np.random.default_rng(number).permutation(half.train)
    count = int(share * len(order))
    if not 0 < count < len(order):
        raise UsageFailure(
            f"--share {share} of {len(order)} pictures is {count} to forget", "--share 0.1, say"
        )
    return forget_by_index(f"random:{share}#{number}", order[len(order) - count :])
