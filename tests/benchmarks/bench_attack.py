"""U-MIA's analysis against one scikit-learn logistic regression per fold on the same splits.

python tests/benchmarks/bench_attack.py [SAMPLES PER SIDE]
"""

from __future__ import annotations

import sys

import numpy as np
from side_by_side import compare
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from deepunlearn_cli.attacks import ATTACKS


def main(samples: str = "1000") -> None:
    """Measure and print."""
    rng, count = np.random.default_rng(0), int(samples)
    sides = {
        name: {
            "logits": rng.normal(0, 3, (count, 10)).astype(np.float32),
            "labels": rng.integers(0, 10, count).astype(np.int32),
        }
        for name in ("forget", "test")
    }
    umia = ATTACKS.get("umia").build({})

    def bare() -> None:
        losses = np.concatenate([side["logits"][:, 0] for side in sides.values()])[:, None]
        truth = np.repeat([1, 0], count)
        cross_val_score(LogisticRegression(), losses, truth, cv=StratifiedKFold(10, shuffle=True))

    arms = {
        "umia (accuracy, AUC, intervals)": lambda: umia.run({"target": lambda: sides}, 0),
        "scikit-learn's folds alone": bare,
    }
    compare(f"U-MIA, {count} a side", arms)


if __name__ == "__main__":
    main(*sys.argv[1:])
