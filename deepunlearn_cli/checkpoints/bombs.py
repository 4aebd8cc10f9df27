"""Archives that unpack to far more than they are: refused by what they declare, before they are unpacked.

`torch.save` stores every tensor as it is, so an honest archive declares about its own size. A model must fit
the file that it is read from.
"""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

from deepunlearn_cli.checkpoints.contents import EXPORT
from deepunlearn_cli.core.errors import UsageFailure

TIMES = 4  # the size of its file that an archive may declare: weights of noise do not compress
SPARED = 1 << 26  # bytes that are never too many


def check_archive(path: Path) -> None:
    """Refuse a zip archive that declares far more bytes than its file has.

    Raises:
        UsageFailure: with both numbers.
    """
    if not is_zipfile(path):
        return
    try:
        with ZipFile(path) as archive:
            declared = sum(entry.file_size for entry in archive.infolist())
    except (BadZipFile, OSError, ValueError, NotImplementedError):
        return  # whoever reads it says what is wrong
    if declared > max(SPARED, TIMES * (size := path.stat().st_size)):
        raise UsageFailure(
            f"{path} has {size} bytes and would unpack to {declared}: no weights do; nothing was unpacked",
            EXPORT,
        )
