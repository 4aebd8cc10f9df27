"""Hard and easy pictures: forget sets by how much a model had to memorise them.

Methods differ most on such sets (Zhao et al. 2024, What makes unlearning hard and what to do about it, arXiv
2406.01257): a random tenth is mostly of easy pictures, that any model reads without having seen them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.npy import read_array
from deepunlearn_cli.data._dataset import Dataset, Indices
from deepunlearn_cli.data._entries import FORMS, Listed, read_table, to_indices
from deepunlearn_cli.data._listing import shown
from deepunlearn_cli.data._splits import Split

Scores = NDArray[np.float64]  # (N,): the higher, the harder; NaN where not known
Ask = Callable[[], Scores]

SCORE = ("score", "memorization", "memorisation", "hardness", "difficulty", "influence")


def extreme(
    spec: str, dataset: Dataset, split: Split, ask: Ask | None, *, share: float, file: str, hard: bool
) -> Indices:
    """The hardest (or easiest) `share` of the training part, by the model's own scores or by a file's.

    Raises:
        UsageFailure: there is no model to ask, or scores that are missing or no numbers.
    """
    if not file and ask is None:
        raise UsageFailure(
            f"--forget {spec} asks a trained model how hard its pictures are, and there is none yet",
            f"train first, and give it to `deepunlearn unlearn`; or {spec}:FILE takes scores from a file",
        )
    scores = _of_file(file, dataset) if file else ask() if ask else np.empty(0)
    values = scores[split.train]
    lacking = int(np.isnan(values).sum())
    if lacking:
        raise UsageFailure(
            f"{file}: {lacking} of {len(values)} training pictures have no score", "give each one, a number"
        )
    order = np.lexsort((split.train, -values if hard else values))  # of equal ones the first
    return split.train[order[: math.ceil(share * len(values))]]


def _of_file(text: str, dataset: Dataset) -> Scores:
    """Scores by picture, from an array with one for each, or a table with a column of them."""
    place, _, column = text.rpartition(":")
    file, column = (Path(place), column) if place and not Path(text).is_file() else (Path(text), "")
    if file.suffix.lower() == ".npy":
        return _of_array(file, dataset)
    titles, rows = read_table(file)
    wanted = [column] if column else list(SCORE)
    found = [n for n, title in enumerate(titles) if title.lower() in [one.lower() for one in wanted]]
    if len(found) != 1:
        raise UsageFailure(
            f"{file}: {len(found)} columns are called {' or '.join(wanted)}: {shown(titles)}",
            "FILE:COLUMN names the column of the scores, beside one called index or path",
        )
    listed = Listed.of_table(titles, rows, file)
    scores = np.full(len(dataset), np.nan)
    scores[to_indices(listed, dataset, file)] = [_number(row[found[0]], file) for row in rows]
    return scores


def _of_array(file: Path, dataset: Dataset) -> Scores:
    try:
        array = read_array(file)
    except (OSError, ValueError) as error:
        raise UsageFailure(
            f"cannot read {file}: {' '.join(str(error).split())}", f"expected {FORMS}"
        ) from None
    counts = {len(dataset)} | (set() if dataset.numbers or dataset.uncounted else {dataset.train_size})
    fits = array.shape in {(count,) for count in counts}
    if not fits or array.dtype.kind not in "iuf":
        said = " or ".join(map(str, sorted(counts)))
        raise UsageFailure(
            f"{file} is not an array of {said} numbers, one for each picture",
            "a csv file with a column index or path beside the scores says which is which",
        )
    scores = np.full(len(dataset), np.nan)
    scores[[dataset.by_number[number] for number in range(len(array))]] = array
    return scores


def _number(text: str, file: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageFailure(f"{file}: {text!r} is not a score", "give each picture a number") from None
