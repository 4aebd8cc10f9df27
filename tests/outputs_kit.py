"""What models might say, made up for tests of attacks."""

from __future__ import annotations

import numpy as np


def split(margins: np.ndarray) -> dict[str, np.ndarray]:
    """Two-class outputs whose true class 0 leads by `margins`."""
    logits = np.stack([margins, np.zeros_like(margins)], axis=1).astype(np.float32)
    return {"logits": logits, "labels": np.zeros(len(margins), int)}


def outputs(lead: float = 0.0, forget: int = 400, test: int = 400, seed: int = 0):
    rng = np.random.default_rng(seed)
    return {
        "forget": split(rng.normal(1 + lead, 1, forget)),
        "test": split(rng.normal(1, 1, test)),
        "val": split(rng.normal(1, 1, test)),
    }
