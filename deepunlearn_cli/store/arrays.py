"""Arrays of a file of figures: each once, by the digest of its bytes, as text that JSON takes as it is."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b85decode, b85encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.shared import Outputs, Part
from deepunlearn_cli.core.typed import Mistyped

if TYPE_CHECKING:
    from numpy.typing import NDArray

Digests = Mapping[str, Mapping[str, str]]  # part -> name -> digest of the array
DIGITS = 16
LARGEST = 2**28  # bytes of an array: of 32 million pictures, 8 bytes each
PICTURES = 100_000_000  # how many a dataset may have
WHOLE = "index", "classes"  # arrays of whole numbers; all others tell a number, or none, of each picture


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
        Mistyped: its bytes are none, are too many, or are not those that it names.
    """
    import numpy as np

    kind, planes = np.dtype(line["dtype"]), _unpacked(line["bytes"])
    if len(planes) % kind.itemsize or _digest(line["dtype"], planes) != line["array"]:
        raise Mistyped("bytes", None, f"the array {line['array']}")
    flat = np.frombuffer(planes, np.uint8).reshape(kind.itemsize, -1)
    array: NDArray[Any] = flat.T.copy().view(kind).reshape(-1)
    return array


def check_together(part: Part, key: str) -> None:
    """Hold the arrays of a part against each other: they tell of the same pictures, each once.

    Raises:
        Mistyped: they do not.
    """
    import numpy as np

    for name, array in part.items():
        if (array.dtype.kind in "iu") != (name in WHOLE):
            raise Mistyped(f"{key}.{name}", None, "whole numbers" if name in WHOLE else "numbers")
    index, classes = part.get("index"), part.get("classes")
    told = [array for name, array in part.items() if name != "classes"]
    if len({len(array) for array in told}) > 1 or (classes is not None and classes.shape != (1,)):
        raise Mistyped(key, None, "arrays of the same length, and one number of classes")
    if classes is not None and not 1 < classes[0] <= PICTURES:
        raise Mistyped(f"{key}.classes", int(classes[0]), "2 classes or more")
    if index is not None and len(index) and not 0 <= index.min() <= index.max() < PICTURES:
        raise Mistyped(f"{key}.index", None, f"numbers of pictures, from 0 to below {PICTURES}")
    if index is not None and len(np.unique(index)) != len(index):
        raise Mistyped(f"{key}.index", None, "numbers of pictures, each once")


def _unpacked(text: str) -> bytes:
    """Never more than `LARGEST` bytes: a few may stand for any number of them."""
    unpacking = zlib.decompressobj()
    try:
        planes = unpacking.decompress(b85decode(text), LARGEST)
    except (ValueError, zlib.error):
        raise Mistyped("bytes", None, "a packed array") from None
    if not unpacking.eof:
        raise Mistyped("bytes", None, f"a whole array of {LARGEST} bytes at most")
    return planes


def _digest(kind: str, planes: bytes) -> str:
    return hashlib.sha256(kind.encode() + planes).hexdigest()[:DIGITS]


def _line(array: NDArray[Any]) -> dict[str, Any]:
    """Bytes of one place in their numbers stand together: those that say little then take little room."""
    import numpy as np

    flat = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).reshape(-1)
    planes = flat.view(np.uint8).reshape(-1, flat.itemsize).T.tobytes()
    kind = flat.dtype.str
    return {"array": _digest(kind, planes), "dtype": kind, "bytes": b85encode(zlib.compress(planes)).decode()}
