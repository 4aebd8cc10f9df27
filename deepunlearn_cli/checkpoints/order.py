"""The order of a checkpoint's outputs: told apart from the order of the classes before it does harm."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.shared import Outputs

SHOWN = 3  # classes named in an error


def check(name: str, outputs: Outputs, classes: Sequence[str]) -> None:
    """Refuse a model whose outputs fit the classes far better in another order.

    Args:
        name: of the file, for people.
        outputs: of the model, on the training pictures (`retain`, and `forget` where there is one).
        classes: names, by label.

    Raises:
        UsageFailure: with the order that fits.
    """
    import numpy as np

    from deepunlearn_cli.evaluation.permutation import best_order

    parts = [outputs[part] for part in ("retain", "forget") if part in outputs]
    if not parts:
        return
    order = best_order(
        np.concatenate([part["logits"] for part in parts]), np.concatenate([part["labels"] for part in parts])
    )
    if not order.another:
        return
    names = [classes[label] for label in np.argsort(order.outputs)]
    moved = [f"{one} for {other}" for one, other in zip(classes, names, strict=True) if one != other]
    more = ", ..." if len(moved) > SHOWN else ""
    raise UsageFailure(
        f"{name} has its classes in another order: on {len(moved)} of them it is right {order.as_is:.1%} of "
        f"the time, and {order.fits:.1%} with its outputs exchanged ({', '.join(moved[:SHOWN])}{more})",
        f"--classes {quote(','.join(names))} is the order that fits; check it against your training code",
    )
