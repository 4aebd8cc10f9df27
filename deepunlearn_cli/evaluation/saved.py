"""Saved scores: what a model said of samples, from files, for an attack without model, data or store."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.shared import Part

FORMS = "an .npz of `logits` (n, classes) and `labels` (n,), or of `values` (n,); .npy or text of n numbers"


def read(path: Path) -> Part:
    """One side's samples: `logits` and `labels`, or `values` (what `--feature` names); perhaps `index`.

    Raises:
        NotFound: no such file.
        UsageFailure: not such a file, arrays that do not fit together, none or not finite.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}", f"it holds {FORMS}")
    try:
        part = _arrays(path)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UsageFailure(f"{path} cannot be read: {str(error).splitlines()[0]}", f"give {FORMS}") from None
    return _checked(part, path)


def _arrays(path: Path) -> Part:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("logits", "labels", "values", "index") if name in file}
    if path.suffix == ".npy":
        return {"values": np.load(path, allow_pickle=False)}
    return {"values": np.loadtxt(path, dtype=np.float64, ndmin=1, delimiter=",")}


def _checked(part: Part, path: Path) -> Part:
    if not ({"logits", "labels"} <= part.keys() or "values" in part):
        raise UsageFailure(f"{path} holds neither logits with labels nor values", f"give {FORMS}")
    main = part["values"] if "values" in part else part["logits"]
    if main.ndim != (1 if "values" in part else 2) or not len(main):
        raise UsageFailure(f"{path}: an array of shape {main.shape} is of no use here", f"give {FORMS}")
    if not np.issubdtype(main.dtype, np.number) or (bad := int((~np.isfinite(main)).sum())):
        count = f"{bad} of {main.size} numbers are" if np.issubdtype(main.dtype, np.number) else "entries are"
        raise UsageFailure(f"{path}: {count} not finite numbers", "leave out samples without a score")
    for name in part.keys() & {"labels", "index"}:
        if part[name].shape != main.shape[:1] or not np.issubdtype(part[name].dtype, np.integer):
            raise UsageFailure(f"{path}: {name} are not {len(main)} whole numbers", "one per sample")
    return part
