"""Materials moved by one unit of rounding: how far a run goes by rounding alone is seen by doing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.engine.rounding import moved
from deepunlearn_cli.execution.materials import Materials

if TYPE_CHECKING:
    import torch
    from torch import nn

    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.engine.pictures import Pixels


class NudgedMaterials(Materials):
    """New weights, each moved up or down by a share of itself, and pictures that are brighter by that share.

    The weights move a run once, at its start; the pictures in every step, as rounding does.
    """

    def __init__(
        self, home: Path, device: torch.device, sharing: int = 1, *, share: float, draw: int
    ) -> None:
        super().__init__(home, device, sharing)
        self.share, self.draw = share, draw
        self._nudged: list[Pixels] = []

    def fresh(self, recipe: Recipe, stream: str) -> nn.Module:
        """As of any materials."""
        import torch

        model: Any = super().fresh(recipe, stream)
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(moved(weight.detach().cpu(), self.share, self.draw))
        return model  # type: ignore[no-any-return]

    def pixels(self, recipe: Recipe) -> Pixels:
        """As of any materials."""
        pixels = super().pixels(recipe)
        if not any(one is pixels for one in self._nudged):
            pixels.brighten(1 + self.share)
            self._nudged.append(pixels)
        return pixels
