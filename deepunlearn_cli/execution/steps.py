"""How methods take their steps, said once by a plan or a person: for trials, confirmations and final runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.execution import recipes

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import ForgetSet

PRESET = "preset"  # label of a run made with tuned settings: which


@dataclass(frozen=True)
class Steps:
    """All that makes an unlearning run beside its original, forget set, method and hyperparameters.

    Attributes:
        augment: whether methods see pictures as their original's training did, flips and shifts included.
        precision: of the steps; None for the original's.
        earlier: the checkpoint that a method which needs a track takes for the weights before training.
    """

    augment: bool = True
    precision: str | None = None
    earlier: Recipe | None = None

    def unlearned(
        self,
        start: Recipe,
        method: str,
        forget: ForgetSet,
        params: Mapping[str, Any] | None = None,
        preset: str = "",
    ) -> Recipe:
        """The method applied to an original; whatever searches, confirms or makes models asks here.

        Args:
            preset: where tuned hyperparameters among `params` come from, for people: no part of the key.

        Raises:
            UsageFailure: as `recipes.unlearned`.
        """
        made = recipes.unlearned(
            start,
            method,
            forget,
            params,
            augment=self.augment,
            precision=self.precision,
            earlier=self.earlier,
        )
        labels = {name: value for name, value in made.labels.items() if name != PRESET}
        return replace(made, labels=labels | ({PRESET: preset} if preset else {}))
