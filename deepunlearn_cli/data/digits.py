"""`digits`: 8x8 handwritten digits that come with scikit-learn."""

from __future__ import annotations

import numpy as np

from deepunlearn_cli.data._family import Family, Plan, hold_out
from deepunlearn_cli.data._pictures import array_filler


class Digits(Family):
    """1,797 digits, one channel. Test part: 20 %, by the benchmark's rule for UTKFace."""

    summary = "1,797 handwritten digits; the offline default"
    source = "embedded in scikit-learn"
    size = 8
    classes = 10
    fixed = True

    def stamp(self) -> list[str]:
        """Nothing: the pictures are part of scikit-learn."""
        return []

    def plan(self) -> Plan:
        """Values 0..16 become 0..255. No augmentation: at 8 pixels, mirrored or shifted digits are others."""
        from sklearn.datasets import load_digits

        raw = load_digits()
        images = np.rint(raw.images * (255 / 16)).astype(np.uint8)[..., None]
        train, test = hold_out(len(images), self.label)
        order = np.concatenate([train, test])
        side = self.image_size or 8
        return Plan(
            name=self.label,
            shape=(side, side, 1),
            labels=raw.target[order].astype(np.int64),
            train_size=len(train),
            classes=tuple(map(str, raw.target_names)),
            fill=array_filler(self.label, images[order]),
            flip=False,
            pad=0,
        )
