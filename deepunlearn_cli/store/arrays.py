"""Arrays of a file of figures: each once, by the digest of its bytes, as text that JSON takes as it is."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b85decode, b85encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.shared import Outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Digests = Mapping[str, Mapping[str, str]]  # part -> name -> digest of the array
DIGITS = 16


def told(outputs: Outputs) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, Any]]]:
    """The digests of arrays (n,) by part and name, and by digest the line that tells an array."""
    digests: dict[str, dict[str, str]] = {}
    lines: dict[str, dict[str, Any]] = {}
    for part, arrays in outputs.items():
        for name, array in arrays.items():
            line = _line(array)
            digests.setdefault(part, {})[name] = line["array"]
            lines[line["array"]] = line
    return digests, lines


def read(line: Mapping[str, Any]) -> NDArray[Any]:
    """The array (n,) of a line.

    Raises:
        KeyError, ValueError, TypeError: it is none.
    """
    import numpy as np

    kind = np.dtype(line["dtype"])
    try:
        planes = np.frombuffer(zlib.decompress(b85decode(line["bytes"])), np.uint8)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    array: NDArray[Any] = planes.reshape(kind.itemsize, -1).T.copy().view(kind).reshape(-1)
    return array


def _line(array: NDArray[Any]) -> dict[str, Any]:
    """Bytes of one place in their numbers stand together: those that say little then take little room."""
    import numpy as np

    flat = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).reshape(-1)
    planes = flat.view(np.uint8).reshape(-1, flat.itemsize).T.tobytes()
    kind = flat.dtype.str
    digest = hashlib.sha256(kind.encode() + planes).hexdigest()[:DIGITS]
    return {"array": digest, "dtype": kind, "bytes": b85encode(zlib.compress(planes)).decode()}
