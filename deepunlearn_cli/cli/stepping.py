"""Options about how a method takes its steps, whatever for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.reading import read_precision
from deepunlearn_cli.cli.unfold import Bundle

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.steps import Steps


class Stepping(Bundle):
    """Augmentation and number format of a method's steps."""

    no_augment: Annotated[
        bool,
        option(
            "--no-augment",
            help="The method's steps see pictures as they are, without flips and shifts; retrained "
            "models are trained as their originals.",
            rich_help_panel=o.TRAINING,
        ),
    ] = False
    precision: Annotated[
        str | None,
        option(
            metavar="fp32|bf16",
            help="Number format of the method's steps. (default: the checkpoint's)",
            rich_help_panel=o.TRAINING,
        ),
    ] = None

    def steps(self, device: str, earlier: Recipe | None = None) -> Steps:
        """These, and an earlier checkpoint where a method takes one.

        Raises:
            UsageFailure: a precision that there is not, or that the device has not.
        """
        from deepunlearn_cli.execution.steps import Steps

        precision = read_precision(self.precision, device) if self.precision else None
        return Steps(augment=not self.no_augment, precision=precision, earlier=earlier)
