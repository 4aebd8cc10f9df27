"""Saved scores: what a model said of samples, from files, for an attack without model, data or store."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.npy import read_array, read_arrays
from deepunlearn_cli.core.shared import Part

FORMS = "an .npz of `logits` (n, classes) and `labels` (n,), or of `values` (n,); .npy or text of n numbers"
SUM_TOLERANCE = 0.01  # how far rounded probabilities may sum up to something else

Sides = tuple[Part, Part]  # the forget set, and unseen samples


def read_sides(files: Sequence[Path], *beside: Sequence[Path] | None) -> list[Sides | None]:
    """The forget set and unseen samples (n rows each, any n) of the audited model, and of models beside it.

    Where both have an `index`, the rows of the others are put into the order of the audited model's.

    Raises:
        NotFound: no such file.
        UsageFailure: a file that cannot be used (`read`), or files that do not belong together.
    """
    ours = read(files[0]), read(files[1])
    if same(*ours):
        raise UsageFailure(
            f"{files[0]} and {files[1]} hold the same scores", "--against takes samples that were never seen"
        )
    _check_classes(files, ours)
    return [ours, *(_read_beside(ours, files, other) if other else None for other in beside)]


def _read_beside(ours: Sides, files: Sequence[Path], other: Sequence[Path]) -> Sides:
    theirs = read(other[0]), read(other[1])
    _check_classes([*files, *other], [*ours, *theirs])
    pairs = zip(ours, theirs, files, other, strict=True)
    forget, unseen = (_paired(one, two, (file, held)) for one, two, file, held in pairs)
    return forget, unseen


def read(path: Path) -> Part:
    """One side's samples: `logits` and `labels`, or `values` (what `--feature` names); perhaps `index`.

    Raises:
        NotFound: no such file.
        UsageFailure: not such a file, arrays that do not fit together, none or not finite, probabilities for
            logits, labels without a column, or a sample twice.
    """
    if not path.is_file():
        raise NotFound(f"no file {path}", f"it holds {FORMS}")
    try:
        part = _arrays(path)
    except (OSError, ValueError) as error:
        raise UsageFailure(f"{path} cannot be read: {str(error).splitlines()[0]}", f"give {FORMS}") from None
    return _checked(part, path)


def _arrays(path: Path) -> Part:
    if path.suffix == ".npz":
        return read_arrays(path, ("logits", "labels", "values", "index"))
    if path.suffix == ".npy":
        return {"values": read_array(path)}
    with warnings.catch_warnings(action="ignore"):  # of an empty file, which is refused anyway
        return {"values": np.loadtxt(path, dtype=np.float64, ndmin=1, delimiter=",")}


def _checked(part: Part, path: Path) -> Part:
    if not ({"logits", "labels"} <= part.keys() or "values" in part):
        raise UsageFailure(f"{path} holds neither logits with labels nor values", f"give {FORMS}")
    main = part["values"] if "values" in part else part["logits"]
    if main.ndim != (1 if "values" in part else 2) or not len(main):
        raise UsageFailure(f"{path}: an array of shape {main.shape} is of no use here", f"give {FORMS}")
    real = main.dtype.kind in "fiu"
    if not real or (bad := int((~np.isfinite(main)).sum())):
        count = f"{bad} of {main.size} numbers are" if real else "entries are"
        raise UsageFailure(f"{path}: {count} not finite numbers", "leave out samples without a score")
    for name in part.keys() & {"labels", "index"}:
        if part[name].shape != main.shape[:1] or not np.issubdtype(part[name].dtype, np.integer):
            raise UsageFailure(f"{path}: {name} are not {len(main)} whole numbers", "one per sample")
    if "values" not in part:
        _check_logits(part["logits"], part["labels"], path)
    _check_unique(part, path)
    return part


def _check_logits(logits: NDArray[np.number], labels: NDArray[np.integer], path: Path) -> None:
    sums = logits.sum(axis=1, dtype=np.float64)
    for whole in (1, 100):
        if (logits >= 0).all() and (np.abs(sums - whole) <= SUM_TOLERANCE * whole).all():
            raise UsageFailure(
                f"{path}: every row of logits is 0 or more and sums up to {whole}: these are probabilities",
                "save what the network gives before its softmax, or the logarithm of the probabilities",
            )
    outside = labels[(labels < 0) | (labels >= logits.shape[1])]
    if len(outside):
        raise UsageFailure(
            f"{path}: label {outside[0]} has no column in logits of {logits.shape[1]} classes",
            "labels count from 0",
        )


def _check_unique(part: Part, path: Path) -> None:
    if "index" in part:
        numbers, counts = np.unique(part["index"], return_counts=True)
        if (counts > 1).any():
            twice = f"{int((counts > 1).sum())} samples are there more than once"
            raise UsageFailure(f"{path}: {twice}, first index {numbers[counts > 1][0]}", "one row per sample")


def _check_classes(files: Sequence[Path], parts: Sequence[Part]) -> None:
    """Two numbers of classes are two models, or two datasets."""
    counts = {
        file: part["logits"].shape[1] for file, part in zip(files, parts, strict=True) if "values" not in part
    }
    first = next(iter(counts), None)
    for file, count in counts.items():
        if first and count != counts[first]:
            raise UsageFailure(
                f"{first} has logits of {counts[first]} classes and {file} of {count}",
                "all files are of one dataset",
            )


def _paired(ours: Part, theirs: Part, files: tuple[Path, Path]) -> Part:
    """The control's samples, in the order of the audited model's."""
    if "index" in ours and "index" in theirs:
        theirs = _reordered(ours["index"], theirs, files)
    if (n := _size(ours)) != (m := _size(theirs)):
        raise UsageFailure(f"{files[0]} has {n} samples and its control {files[1]} {m}", _SAME)
    if "labels" in ours and "labels" in theirs:
        other = np.flatnonzero(ours["labels"] != theirs["labels"])
        if len(other):
            first = f"first in row {other[0]}: {ours['labels'][other[0]]} and {theirs['labels'][other[0]]}"
            where = f"between {files[0]} and its control {files[1]}"
            raise UsageFailure(f"labels of {len(other)} of {n} samples differ {where}, {first}", _SAME)
    return theirs


_SAME = "the control's rows are the same samples in the same order, or both have an index"


def _reordered(index: NDArray[np.integer], theirs: Part, files: tuple[Path, Path]) -> Part:
    alone = np.setxor1d(index, theirs["index"])
    if len(alone):
        where = files[0] if alone[0] in index else files[1]
        raise UsageFailure(f"index {alone[0]} is in {where} only, of {files[0]} and {files[1]}", _SAME)
    order = theirs["index"].argsort()[index.argsort().argsort()]
    return {name: array[order] for name, array in theirs.items()}


def _size(part: Part) -> int:
    return len(part["values"] if "values" in part else part["logits"])


def same(one: Part, other: Part) -> bool:
    """Whether two sides hold the same numbers."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
