"""BatchNorm on few pictures: a batch too small for statistics of its own uses the running ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sized
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from deepunlearn_cli.core.errors import UsageFailure

# Pictures that give a batch statistics of its own. The variance of n values is off by sqrt(2 / (n - 1)) of
# itself: half for 8. On 1x1 maps forget sets of 8 harmed no model, of 1 to 4 they did; and no batch of at
# most 16 is smaller, where there are 8 pictures, so that a pass does not go to and fro between two ways.
ENOUGH = 8


def of(model: object, count: int) -> AbstractContextManager[None]:
    """What a forward pass over `count` pictures runs in: `running` if they are too few, else nothing."""
    return running(model) if count < ENOUGH else nullcontext()


@contextmanager
def running(model: object) -> Iterator[None]:
    """BatchNorm layers use their running statistics and leave them as they are; all else is as it was.

    With batch statistics a single picture's 1x1 maps would all become 0, and no gradient would reach the
    layers before them. Layers that keep no running statistics go on as they do in evaluation too, with those
    of the batch.
    """
    modules = model.modules() if isinstance(model, nn.Module) else ()
    layers = [
        layer
        for layer in modules
        if isinstance(layer, _BatchNorm) and layer.training and layer.running_mean is not None
    ]
    for layer in layers:
        layer.training = False
    try:
        yield
    finally:
        for layer in layers:
            layer.training = True


def check(model: nn.Module, part: Sized, size: int) -> None:
    """Refuse to train new BatchNorm layers on batches of at most `size` pictures if these may be too few.

    Statistics that are still the initial ones would stand in for those of the batch: training would go on
    without normalisation, and it diverges where batches with and without take turns.

    Raises:
        UsageFailure: a batch of a pass over the part is smaller than `ENOUGH`, and some layer is new.
    """
    total = len(part)
    if smallest(total, size) >= ENOUGH or not any(map(_is_new, model.modules())):
        return
    if total < ENOUGH:
        raise UsageFailure(
            f"{total} pictures are too few to train BatchNorm from new weights: it takes {ENOUGH}",
            "give more pictures, or take a model without BatchNorm (--model timm:vit_tiny_patch16_224, say)",
        )
    enough = next(size for size in itertools.count(ENOUGH) if smallest(total, size) >= ENOUGH)
    raise UsageFailure(
        f"batch_size={size} is too small to train BatchNorm from new weights: it makes batches of "
        f"{smallest(total, size)}, and statistics take {ENOUGH} pictures",
        f"-p batch_size={enough} is the smallest here",
    )


def smallest(total: int, size: int) -> int:
    """Pictures in the smallest batch of a pass (`cut`)."""
    return total // math.ceil(total / size)


def _is_new(layer: nn.Module) -> bool:
    """Whether it is a BatchNorm layer that learns statistics, and has not begun to."""
    if not isinstance(layer, _BatchNorm) or not layer.training:
        return False
    mean, variance = layer.running_mean, layer.running_var
    return mean is not None and variance is not None and bool((mean == 0).all() & (variance == 1).all())
