"""What a model is known by beside its file: the SHA-256 of its tensors, whatever file they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.recipe import canonical

if TYPE_CHECKING:
    from torch import Tensor

TENSORS = (
    "SHA-256 over all tensors by name (Unicode code points): the JSON text [name, dtype, shape] without "
    "spaces, a line end, then the values in C order, little-endian"
)


def of_tensors(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) of weights as `TENSORS` says: the same in every file format.

    A header is JSON, so no name can pass for the end of another tensor.
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        head = [name, str(value.dtype).removeprefix("torch."), list(value.shape)]
        digest.update(encoded(f"{canonical(head)}\n"))
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
