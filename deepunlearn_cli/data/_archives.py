"""Arrays that claim to be larger than what is there: told before memory is asked for."""

from __future__ import annotations

import math
from typing import IO
from zipfile import ZipFile

import numpy as np

TIMES = 200  # what deflate may make of pictures; of blank ones it makes up to 1,032
SPARED = 1 << 26  # bytes that are never too many


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
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    claimed = math.prod(shape) * kind.itemsize
    if not kind.hasobject and claimed > size:
        raise ValueError(f"its header claims {claimed} bytes, and there are {size}")
