"""Arrays in npy and npz files from outside: what is wrong with one is a `ValueError`, before it is unpacked.

May be imported by every room: numpy is loaded when an array is.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile, ZipFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TIMES = 200  # what deflate may make of pictures; of blank ones it makes up to 1,032
SPARED = 1 << 26  # bytes that are never too many
DAMAGED = (
    EOFError,
    OSError,
    RuntimeError,
    MemoryError,
    OverflowError,
    KeyError,
    TypeError,
    BadZipFile,
    zlib.error,
    SyntaxError,
    TokenError,
)  # what numpy and zipfile raise of a file that is none, or not whole
CLOSED = (PermissionError, FileNotFoundError, IsADirectoryError)  # of a file that cannot be looked at


def read_array(path: Path) -> NDArray[Any]:
    """The array of an npy file.

    Raises:
        ValueError: it is none, claims to be larger than it is, or holds Python objects.
        OSError: it is not there, or may not be read.
    """
    import numpy as np

    with _read(path), path.open("rb") as file:
        check_claimed(file, path.stat().st_size)
        file.seek(0)
        array: NDArray[Any] = np.load(file, allow_pickle=False)
        return array


def map_array(path: Path, mode: Literal["r", "r+"] = "r") -> np.memmap[Any, Any]:
    """The same, mapped: bytes are read where they are looked at. Raises as `read_array`."""
    import numpy as np

    with _read(path):
        array = np.load(path, mmap_mode=mode, allow_pickle=False)
        if not isinstance(array, np.memmap):
            raise ValueError("it is no npy file")
        return array


def read_arrays(path: Path, names: Collection[str]) -> dict[str, NDArray[Any]]:
    """Those of the arrays with these names that an npz file has. Raises as `read_array`."""
    import numpy as np

    with _read(path), ZipFile(path) as archive, np.load(path, allow_pickle=False) as loaded:
        there = [name for name in names if name in loaded.files]
        for name in there:
            check_header(archive, name)
        return {name: loaded[name] for name in there}


def check_header(archive: ZipFile, name: str) -> None:
    """See that an array of an npz file has as many bytes as its header claims.

    Raises:
        ValueError: it claims others, or would unpack to far more than pictures do.
        KeyError: there is no such array.
    """
    entry = archive.getinfo(name if name in archive.namelist() else f"{name}.npy")
    if entry.file_size > max(SPARED, TIMES * entry.compress_size):
        raise ValueError(
            f"{entry.compress_size} bytes would unpack to {entry.file_size}: "
            "no pictures do; nothing was unpacked"
        )
    with archive.open(entry) as file:
        check_claimed(file, entry.file_size)


def check_claimed(file: IO[bytes], size: int) -> None:
    """See that an npy file of `size` bytes has as many as its header claims; the file is read beyond it.

    Raises:
        ValueError: it claims others, or is no npy file.
    """
    import numpy as np

    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    claimed = math.prod(shape) * kind.itemsize
    if not kind.hasobject and claimed > size:
        raise ValueError(f"its header claims {claimed} bytes, and there are {size}")
    if not kind.itemsize and math.prod(shape) > size:
        raise ValueError(f"its header claims {math.prod(shape)} entries, each of no bytes")


@contextmanager
def _read(path: Path) -> Iterator[None]:
    try:
        yield
    except CLOSED:
        raise
    except DAMAGED as error:
        raise ValueError(f"it is damaged: {' '.join(str(error).split()) or type(error).__name__}") from None
