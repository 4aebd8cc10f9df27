"""What rooms hand each other: what a model said, and how far work has come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

Part: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Arrays with one row per sample: of a model `logits` (n, K), `labels` (n,) and `index` (n,) into the
dataset; of an attack what it found per sample."""

Outputs: TypeAlias = Mapping[str, Part]
"""By the name of the part: `retain`, `forget`, `val`, `test`, `never`, `forgotten` (by earlier requests); of
an attack as it names them."""

Progress: TypeAlias = Callable[[float, float, str], None]
"""Called now and then with what is done, the total, and a text for people."""
