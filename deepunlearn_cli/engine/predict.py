"""One pass of a model over data, from which every score is computed; and checks on the model it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.engine.device import forward_size
from deepunlearn_cli.engine.fit import as_in_use
from deepunlearn_cli.engine.pictures import Batch, Pictures
from deepunlearn_cli.engine.task import Task


def predict(model: nn.Module, part: Pictures, precision: str = "fp32") -> NDArray[np.float32]:
    """Logits (n, K) of a non-empty part in its own order, unaugmented; leaves the model in eval mode."""
    model.eval()
    device = part.pixels.device
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        batches = part.batches(forward_size(device), shuffle=False, augment=False)
        logits = torch.cat([model(batch.x).float() for batch in batches])
    values: NDArray[np.float32] = logits.cpu().numpy()
    return values


def outputs_of(
    model: nn.Module, parts: Mapping[str, Pictures], precision: str = "fp32"
) -> dict[str, dict[str, NDArray[np.generic]]]:
    """Logits (n, K), labels (n,) and dataset indices (n,) of every part, the model run once over each."""
    return {
        name: {
            "logits": predict(model, part, precision),
            "labels": part.labels.cpu().numpy().astype(np.int32),
            "index": part.indices.cpu().numpy().astype(np.int32),
        }
        for name, part in parts.items()
        if len(part)
    }


def mean_loss(model: nn.Module, part: Pictures, task: Task) -> Tensor:
    """Mean cross-entropy over a part (on the device): a look that a method takes, counted as work."""
    total = torch.zeros((), device=task.device)
    for batch, logits in _looks(model, part, task):
        total += F.cross_entropy(logits, batch.y, reduction="sum")
    return total / len(part)


def error(model: nn.Module, part: Pictures, task: Task) -> float:
    """Share (0..1) of a part that is misclassified, counted as work. Waits for the device."""
    wrong = torch.zeros((), device=task.device)
    for batch, logits in _looks(model, part, task):
        wrong += (logits.argmax(1) != batch.y).sum()
    return float(wrong) / max(1, len(part))


def _looks(model: nn.Module, part: Pictures, task: Task) -> Iterator[tuple[Batch, Tensor]]:
    with as_in_use(model):
        for batch in part.batches(forward_size(task.device), shuffle=False, augment=False):
            yield batch, task.teach(model, batch)


def check_finite(model: nn.Module) -> None:
    """Refuse a model with a weight or statistic that is not finite.

    Raises:
        RunFailed: naming the first such tensor.
    """
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise RunFailed(f"weights became NaN or infinite ({name})", "try a smaller -p lr=...")


def changed(before: Mapping[str, Tensor], model: nn.Module) -> bool:
    """Whether any trainable weight of a model differs from those it started with."""
    return any(
        not torch.equal(before[name].to(value.device), value) for name, value in model.named_parameters()
    )
